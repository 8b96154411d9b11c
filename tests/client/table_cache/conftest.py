"""A table that is cached on this disk, and who reads and writes it."""

from __future__ import annotations

from table_cache_fixture import here, other, reader, runs

__all__ = ["here", "other", "reader", "runs"]
