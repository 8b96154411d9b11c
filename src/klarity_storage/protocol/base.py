"""The two roots of every struct on the wire."""

from __future__ import annotations

import msgspec


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client sends: a field that the server does not know is refused by name."""


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """What a server answers: a client ignores fields that are newer than itself."""
