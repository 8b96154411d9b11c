"""A push that was stopped anywhere goes on where it was, from another process too."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import LocalStore, MemoryStore, ObjectStore

import klarity_storage as ks
from conftest import PlantTree, read_tree
from klarity_storage.client.local import LocalBackend
from klarity_storage.client.storage import Storage
from klarity_storage.server.engines.seaweed import SeaweedEngine
from klarity_storage.versions import packs
from klarity_storage.versions.names import list_names
from versions.support import Wrapped, keys_below

PACK = 40_000
TREE = (
    {f"small/{i:03}": bytes([i]) * 2000 for i in range(200)}
    | {f"middling/{i}": bytes([i]) * (packs.SMALL + i) for i in range(4)}
    | {f"large/{i}": bytes([i]) * 10_000_000 for i in range(2)}
)
SIZE = sum(map(len, TREE.values()))

_KILLED = """
import json, os, signal, sys
from obstore.store import LocalStore, S3Store
from klarity_storage.client.local import LocalBackend
from klarity_storage.client.storage import Storage
from klarity_storage.versions import packs

given = json.load(sys.stdin)
packs.PACK = given["pack"]
store = LocalStore(given["folder"]) if "folder" in given else S3Store(**given["s3"])

def kill(progress):
    if progress.phase == "uploading" and progress.done_bytes >= given["after"]:
        os.kill(os.getpid(), signal.SIGKILL)

Storage(LocalBackend(store), "killed").push(given["name"], given["root"], progress=kill)
"""


@pytest.fixture(params=["local", "seaweed"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[ObjectStore, dict[str, Any]]:
    """A store, and how another process opens it."""
    if request.param == "local":
        folder = tmp_path / "bucket"
        return LocalStore(folder, mkdir=True), {"folder": str(folder)}
    engine: SeaweedEngine = request.getfixturevalue("engine")
    keys = engine.credentials
    s3 = {
        "bucket": keys.bucket,
        "endpoint": keys.endpoint,
        "region": keys.region,
        "access_key_id": keys.access_key_id,
        "secret_access_key": keys.secret_access_key,
        "client_options": {"allow_http": True},
    }
    return engine.store, {"s3": s3}


class Counting:
    """What is put into a store, by key."""

    def __init__(self, store: Any) -> None:
        self.keys: list[str] = []

        def put(path: str, data: Any, **options: Any) -> Any:
            if "/_ks/chunks-" not in path:  # small, only for later pushes, and made anew
                self.keys.append(path)
            return store.put(path, data, **options)

        counting: Any = Wrapped(store, put=put)
        self.storage = Storage(LocalBackend(counting), "counting")


@pytest.mark.parametrize("after", [0, 100_000, 400_000 + 2_000_000, SIZE - 5_000_000])
def test_a_push_that_was_killed_sends_only_what_is_missing(
    place: tuple[ObjectStore, dict[str, Any]],
    plant: PlantTree,
    space: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    after: int,
) -> None:
    store, given = place
    name = f"{space}/datasets/cats"
    given |= {"name": name, "root": str(plant(TREE)), "after": after, "pack": PACK}
    done = subprocess.run(
        [sys.executable, "-c", _KILLED], input=json.dumps(given).encode(), check=False
    )
    assert done.returncode == -signal.SIGKILL
    there = {
        key for key in keys_below(store, f"{name}/") if "#" not in key and "/chunks-" not in key
    }
    assert list_names(store, space, ks.Kind.DATASETS) == []
    assert (len(there) > 2) == (after > 0)

    monkeypatch.setattr(packs, "PACK", PACK)
    counting = Counting(store)
    version = counting.storage.push(name, tmp_path / "tree")
    sent = [key.removeprefix(f"{name}/") for key in counting.keys]
    assert len(sent) == len(set(sent))
    final = {
        key for key in keys_below(store, f"{name}/") if "#" not in key and "/chunks-" not in key
    }
    assert set(sent) <= final - there  # what was under way may have come to its end behind us
    assert read_tree(version.download(tmp_path / "out")) == TREE


def _half_done(store: ObjectStore, name: str, root: Path) -> None:
    """Everything but the manifest."""

    def put(path: str, data: Any, **options: Any) -> Any:
        if "/_ks/manifest-" in path:
            raise obstore.exceptions.GenericError("the machine went down")
        return store.put(path, data, **options)

    broken: Any = Wrapped(store, put=put)
    with pytest.raises(ks.UnavailableError, match="went down"):
        Storage(LocalBackend(broken), "broken").push(name, root)


def test_only_the_manifest_is_sent_when_nothing_else_is_missing(
    bucket: ObjectStore, plant: PlantTree, space: str, tmp_path: Path
) -> None:
    name = f"{space}/datasets/cats"
    root = plant(TREE)
    _half_done(bucket, name, root)
    counting = Counting(bucket)
    seen: list[ks.Progress] = []
    version = counting.storage.push(name, root, progress=seen.append)

    manifest, log = counting.keys
    assert manifest.endswith(version.info.manifest)
    assert "_log" in log
    assert seen[-1] == ks.Progress("uploading", SIZE, SIZE, len(TREE), len(TREE))


@pytest.mark.parametrize("kind", ["large/0", "middling/0", "_ks/pack-"])
@pytest.mark.parametrize("damage", ["short", "altered"])
def test_an_object_that_is_not_what_it_should_be_is_sent_again(
    bucket: ObjectStore, plant: PlantTree, space: str, kind: str, damage: str
) -> None:
    name = f"{space}/datasets/cats"
    root = plant(TREE)
    _half_done(bucket, name, root)
    (key,) = (key for key in keys_below(bucket, "") if key.startswith(name) and kind in key)
    data = bytes(bucket.get(key).bytes())
    wrong = data[:-1] + (b"" if damage == "short" else bytes([data[-1] ^ 1]))
    bucket.put(key, wrong, chunk_size=8 * 1024 * 1024)

    counting = Counting(bucket)
    version = counting.storage.push(name, root)
    assert counting.keys[0] == key
    assert len(counting.keys) == 3
    assert bytes(bucket.get(key).bytes()) == data
    assert version.files()


def test_an_object_is_sent_again_where_etags_are_md5_of_other_things(plant: PlantTree) -> None:
    """As with keys of a customer's own on AWS."""
    store = MemoryStore()
    root = plant({"a": b"1", "b": b"22"})
    _half_done(store, "vision/datasets/cats", root)

    def other_etags(*arguments: Any, **options: Any) -> Any:
        for page in store.list(*arguments, **options):
            yield [{**meta, "e_tag": f'"{i:032}"'} for i, meta in enumerate(page)]

    counting = Counting(Wrapped(store, list=other_etags))
    counting.storage.push("vision/datasets/cats", root)
    assert len(counting.keys) == 4


def test_the_file_that_fails_is_named_and_the_rest_is_kept(
    bucket: ObjectStore, plant: PlantTree, space: str
) -> None:
    name = f"{space}/datasets/cats"
    root = plant({f"{i:02}": b"x" * (i + 1) for i in range(30)})

    def put(path: str, data: Any, **options: Any) -> Any:
        if path.endswith("/29"):
            raise obstore.exceptions.GenericError("no route")
        return bucket.put(path, data, **options)

    broken: Any = Wrapped(bucket, put=put)
    with pytest.raises(ks.UnavailableError, match="the file '29': no route"):
        Storage(LocalBackend(broken), "broken").push(name, root)

    counting = Counting(bucket)
    counting.storage.push(name, root)
    assert [key.rpartition("/")[2] for key in counting.keys[:-2]] == ["29"]
