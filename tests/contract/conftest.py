"""The control plane that these tests call."""

from __future__ import annotations

from control_fixture import control, memory_engine

__all__ = ["control", "memory_engine"]
