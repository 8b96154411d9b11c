"""A push that goes through the API."""

from __future__ import annotations

from pushing_fixture import push

__all__ = ["push"]
