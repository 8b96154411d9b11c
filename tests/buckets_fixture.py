"""A control plane over several buckets: two of one engine, one of another."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from control_fixture import Control, running_control
from klarity_storage.protocol.spaces import Strategy
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.engines import weed
from klarity_storage.server.engines.s3 import S3Engine
from klarity_storage.server.engines.seaweed import SeaweedEngine
from klarity_storage.server.settings.sections import NamedEngineSettings


def settings_of(engine: SeaweedEngine) -> NamedEngineSettings:
    """An engine that runs, as one that stands already."""
    own = engine.credentials
    return NamedEngineSettings(
        endpoint=own.endpoint,
        role_arn=weed.ROLE_ARN,
        access_key_id=own.access_key_id,
        secret_access_key=own.secret_access_key,
    )


@pytest.fixture(scope="session")
def far_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedEngine]:
    """Another engine than ``engine``, with keys of its own."""
    with SeaweedEngine(tmp_path_factory.mktemp("far"), bucket="klarity-far") as running:
        yield running


@pytest.fixture(scope="session")
def buckets(engine: SeaweedEngine, far_engine: SeaweedEngine) -> list[Bucket]:
    """``main``, ``trials`` (scratch) and ``site`` (web) of one engine, and ``far`` of another."""
    far = S3Engine.connect(settings_of(far_engine), "klarity-far")
    return [
        Bucket("main", engine),
        Bucket("trials", engine.beside("trials"), Strategy.SCRATCH, timedelta(days=30)),
        Bucket("site", engine.beside("site"), Strategy.WEB, public=True),
        Bucket("far", far, engine_name="far"),
    ]


@pytest.fixture
def places(buckets: list[Bucket], tmp_path: Path) -> Iterator[Control]:
    """The control plane over all of them; the buckets are shared, the database is not."""
    with running_control(tmp_path / "data", buckets) as running:
        yield running


def space_in(control: Control, bucket: str) -> str:
    """A new space in a bucket."""
    key = f"t{uuid4().hex[:12]}"
    control.admin.ok("POST", "/v1/spaces", {"key": key, "bucket": bucket})
    return key
