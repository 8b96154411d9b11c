"""A push that goes through the API, and buckets to move between."""

from __future__ import annotations

from moves_fixture import control, pair
from pushing_fixture import push

__all__ = ["control", "pair", "push"]
