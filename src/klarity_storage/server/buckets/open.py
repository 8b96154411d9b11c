"""The buckets that the settings ask for, each tried before it is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from klarity_storage.protocol.spaces import Strategy
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.engines.base import Engine
from klarity_storage.server.engines.open import open_engine
from klarity_storage.server.engines.s3 import S3Engine
from klarity_storage.server.engines.seaweed import SeaweedEngine
from klarity_storage.server.settings.sections import MAIN, BucketSettings, Settings


@contextmanager
def open_buckets(settings: Settings, *, running: bool = False) -> Iterator[list[Bucket]]:
    """Every bucket, the main one first, as long as the context lasts.

    Args:
        settings: the server's.
        running: see `open_engine`.

    Raises:
        ConfigurationError: see `S3Engine.connect` and `SeaweedEngine.start`.
        UnavailableError: an engine does not answer.
    """
    with open_engine(settings, running=running) as main:
        others = [
            describe_bucket(name, wanted, _engine(settings, main, wanted.bucket or name, wanted))
            for name, wanted in settings.buckets.items()
        ]
        yield [Bucket(MAIN, main), *others]


def describe_bucket(name: str, wanted: BucketSettings, engine: Engine) -> Bucket:
    """A bucket as its settings say, on an engine that is open."""
    return Bucket(
        name,
        engine,
        wanted.strategy,
        timedelta(days=wanted.days) if wanted.days is not None else None,
        wanted.strategy is Strategy.WEB and wanted.public is not False,
        wanted.engine,
    )


def _engine(settings: Settings, main: Engine, bucket: str, wanted: BucketSettings) -> Engine:
    if wanted.engine != MAIN:
        return S3Engine.connect(settings.engines[wanted.engine], bucket)
    if isinstance(main, SeaweedEngine):
        return main.beside(bucket)
    return S3Engine.connect(settings.engine, bucket)
