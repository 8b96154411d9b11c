"""Queries: each in a process of its own, with keys to the tables that it reads."""
