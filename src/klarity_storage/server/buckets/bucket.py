"""One bucket of a server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from obstore.store import ObjectStore

from klarity_storage.protocol.spaces import Strategy
from klarity_storage.server.engines.base import Engine
from klarity_storage.server.settings.sections import MAIN


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of an engine, and what its strategy says of the spaces in it."""

    name: str
    """Of its table in klarity.toml, or ``main``."""
    engine: Engine
    """The way in: its store and its credentials are this bucket's."""
    strategy: Strategy = Strategy.REFERENCE
    expires_after: timedelta | None = None
    """How long after it was written something expires, in scratch."""
    public: bool = False
    """Whether anyone reads it, without a token too."""
    engine_name: str = MAIN

    @property
    def store(self) -> ObjectStore:
        """The bucket, with the server's own keys."""
        return self.engine.store
