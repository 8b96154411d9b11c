"""Figures of the server for Prometheus. No label holds a name of data or of a caller."""
