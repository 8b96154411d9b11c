"""Certificates of an authority that nobody knows."""

from __future__ import annotations

from certificate_fixture import authority

__all__ = ["authority"]
