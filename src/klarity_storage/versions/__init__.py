"""Versioned trees: immutable, content-addressed, over any obstore store."""
