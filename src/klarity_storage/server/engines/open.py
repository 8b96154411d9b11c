"""The engine that the settings ask for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from klarity_storage.server.engines.base import Engine
from klarity_storage.server.engines.s3 import S3Engine
from klarity_storage.server.engines.seaweed import SeaweedEngine
from klarity_storage.server.settings.sections import Settings


@contextmanager
def open_engine(settings: Settings, *, running: bool = False) -> Iterator[Engine]:
    """An engine that answers, as long as the context lasts.

    Args:
        settings: the server's.
        running: whether an embedded one is that of a server that runs, which goes on with it.

    Raises:
        ConfigurationError: see `S3Engine.connect` and `SeaweedEngine.start`.
        UnavailableError: it does not answer.
    """
    bucket = settings.storage.bucket
    if settings.engine.kind == "s3":
        yield S3Engine.connect(settings.engine, bucket)
        return
    seaweed = SeaweedEngine(
        settings.data,
        bucket=bucket,
        port=settings.engine.port,
        public_endpoint=settings.engine.public_endpoint,
        request_days=settings.audit.request_days,
    )
    if running:
        seaweed.attach()
        yield seaweed
        return
    with seaweed as engine:
        yield engine
