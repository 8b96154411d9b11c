"""The control database, on SQLite or PostgreSQL; the only SQL."""
