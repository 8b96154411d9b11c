"""A whole server with several buckets and two engines, as klarity.toml describes them."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

import klarity_storage as ks
from klarity_storage.server.engines import weed
from klarity_storage.server.engines.seaweed import SeaweedEngine
from server_fixture import start_server

pytestmark = pytest.mark.real

SETTINGS = """
[buckets.trials]
strategy = "scratch"
days = 30

[engines.far]
endpoint = "{endpoint}"
role_arn = "{role}"

[buckets.archive]
engine = "far"
bucket = "klarity-far"
"""


@pytest.fixture
def storage(
    tmp_path: Path, far_engine: SeaweedEngine, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ks.Storage]:
    own = far_engine.credentials
    monkeypatch.setenv("KS_S3_FAR_ACCESS_KEY_ID", own.access_key_id)
    monkeypatch.setenv("KS_S3_FAR_SECRET_ACCESS_KEY", own.secret_access_key)
    monkeypatch.chdir(tmp_path)  # where the sandboxes are declared
    config = tmp_path / "klarity.toml"
    config.write_text(SETTINGS.format(endpoint=own.endpoint, role=weed.ROLE_ARN))
    process, address, token = start_server(tmp_path / "data", "--config", str(config))
    monkeypatch.setenv("KS_URL", address)
    monkeypatch.setenv("KS_TOKEN", token)
    try:
        with ks.connect(address, token=token) as admin:
            yield admin
    finally:
        process.terminate()
        process.wait(30)


def test_clients_notice_nothing_of_it(storage: ks.Storage, space: str, tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "cat.txt").write_bytes(b"meow")
    places = {None: f"{space}-a", "trials": f"{space}-b", "archive": f"{space}-c"}
    for number, (bucket, key) in enumerate(places.items()):
        assert storage.create_space(key, bucket=bucket).bucket == (bucket or "main")
        version = storage.push(f"{key}/datasets/cats", tmp_path / "cats")
        assert version.open("cat.txt").read() == b"meow"
        version.download(tmp_path / f"out-{number}")
        storage.push_data_frame(f"{key}/tables/runs", pa.table({"id": [1, 2], "n": [number] * 2}))
        storage.cache_table(f"{key}/tables/runs", mode="sandbox")
        storage.push_data_frame(f"{key}/tables/runs", {"id": [3], "n": [number]})
        storage.promote_table(f"{key}/tables/runs")
    a, b, c = places.values()
    found = storage.sql(
        f'select a.id, a.n + b.n + c.n as n from "{a}".runs a join "{b}".runs b on a.id = b.id '
        f'join "{c}".runs c on a.id = c.id order by a.id'
    )
    assert found.to_pydict() == {"id": [1, 2, 3], "n": [3, 3, 3]}
    shown = {item.key: (item.bucket, item.strategy) for item in storage.get_spaces()}
    assert [shown[key] for key in places.values()] == [
        ("main", "reference"),
        ("trials", "scratch"),
        ("archive", "reference"),
    ]


def ks_command(*words: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("ks")
    return subprocess.run(
        [str(program), *words], capture_output=True, text=True, check=False, timeout=120
    )


def test_a_space_is_moved_by_one_command(storage: ks.Storage, space: str, tmp_path: Path) -> None:
    storage.create_space(space)
    (tmp_path / "cat.txt").write_bytes(b"meow")
    before = storage.push(f"{space}/datasets/cats", tmp_path / "cat.txt")
    refused = ks_command("space", "move", space, "--bucket", "trials")
    assert refused.returncode == 5
    assert "reference keeps its history, which would expire there" in refused.stderr
    begun = ks_command("space", "move", space, "--bucket", "archive", "--no-wait")
    assert f"The space {space} is on its way to archive." in begun.stderr
    with pytest.raises(ks.ConflictError, match="is being moved to another bucket"):
        storage.push(f"{space}/datasets/dogs", tmp_path / "cat.txt")
    # the keys of the push last an hour: here they end at once
    with sqlite3.connect(tmp_path / "data" / "klarity.db", timeout=30) as database:
        database.execute("UPDATE spaces SET written_until = NULL")
    database.close()
    moved = ks_command("space", "move", space, "--bucket", "archive")
    assert moved.returncode == 0, moved.stderr
    assert moved.stdout == f"{space}\n"
    assert f"The space {space} lies in archive now." in moved.stderr
    assert storage.get_space(space).bucket == "archive"
    with ks.connect(storage.location, token=os.environ["KS_TOKEN"]) as fresh:
        version = fresh.get_version(f"{space}/datasets/cats")
        assert version.open("cat.txt").read() == b"meow"
        assert version.info.version == before.info.version
        assert fresh.push(f"{space}/datasets/dogs", tmp_path / "cat.txt").open("cat.txt").read()
    shown = ks_command("space", "show", space)
    assert "bucket    archive" in shown.stdout
    assert "clearing to archive" in shown.stdout
    assert "There is no move" in ks_command("space", "move", space, "--cancel").stderr
