"""The control database: spaces, users, tokens and grants; the only SQL."""
