"""The control database in a file, from which either kind of database is made again."""
