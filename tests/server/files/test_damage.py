"""Bytes that are not what was committed never pass for them."""

from __future__ import annotations

import http.client
import os
from collections.abc import Callable
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

import klarity_storage as ks
from wire import Wire

pytestmark = pytest.mark.real

Plant = Callable[..., Path]


@pytest.fixture
def large() -> bytes:
    return os.urandom(3 << 20)


def test_an_object_that_was_written_again_with_keys_that_had_not_ended(
    owned: ks.Storage, wire: Wire, space: str, plant: Plant
) -> None:
    tree = plant({"small": b"as it was", "more": b"as it was, too"})
    version = owned.push(f"{space}/datasets/trial", tree).hash
    name = f"{space}/datasets/cats"
    keys = owned.credentials(name, write=True, version=version).obstore()
    assert owned.push(name, tree).hash == version
    root = f"/files/{name}/{version}"
    assert wire(f"{root}/small").body == b"as it was"

    obstore.put(keys, f"{name}/{version}/small", b"as it is!")
    heard = wire(f"{root}/small")
    assert (heard.status, heard["cache-control"]) == (502, "no-store")
    assert b"as it is" not in heard.body
    heard = wire(f"{root}/small", range="bytes=3-5")
    assert (heard.status, heard["content-type"]) == (502, "application/problem+json")
    assert wire(f"{root}/more", range="bytes=0-1").body == b"as"


def test_a_large_file_breaks_off_and_never_looks_whole(
    owned: ks.Storage, wire: Wire, bucket: S3Store, space: str, plant: Plant, large: bytes
) -> None:
    version = owned.push(f"{space}/models/net", plant({"weights": large}))
    key = f"{version.name}/{version.file('weights').extents[0].object}"
    path = f"/files/{version.name}/{version.hash}/weights"
    assert wire(path).body == large
    for bad in (large[:-1] + bytes([large[-1] ^ 1]), large[:-1]):
        obstore.put(bucket, key, bad)
        with pytest.raises(http.client.IncompleteRead):
            wire(path)
    obstore.delete(bucket, key)
    assert wire(path).status == 502
    assert wire(path, "HEAD").status == 200  # of the version this is true; no byte was asked for
    obstore.put(bucket, key, large)
    assert wire(path).body == large


def test_the_same_bytes_in_another_state_are_read(
    owned: ks.Storage, wire: Wire, bucket: S3Store, space: str, plant: Plant, large: bytes
) -> None:
    """As in a bucket that was copied to another engine."""
    version = owned.push(f"{space}/models/net", plant({"weights": large}))
    key = f"{version.name}/{version.file('weights').extents[0].object}"
    path = f"/files/{version.name}/{version.hash}/weights"
    before = obstore.head(bucket, key)["e_tag"]
    obstore.put(bucket, key, large, use_multipart=True, chunk_size=5 << 20)
    assert obstore.head(bucket, key)["e_tag"] != before
    for start in (0, 1 << 20):
        heard = wire(path, range=f"bytes={start}-{start + 9}")
        assert (heard.status, heard.body) == (206, large[start : start + 10])


def test_a_manifest_that_points_elsewhere_is_not_followed(
    owned: ks.Storage, wire: Wire, bucket: S3Store, space: str, plant: Plant
) -> None:
    """Nobody can commit one; somebody who writes past the server cannot use one either."""
    import hashlib

    from klarity_storage.versions.manifest import Extent, FileInfo, Manifest

    secret = owned.push(f"{space}/datasets/secret", plant({"key": b"secret!"}, "s"))
    owned.push(f"{space}/datasets/cats", plant({"a": b"1"}, "c"))
    for object_key in (
        f"../secret/{secret.hash}/key",
        f"{secret.hash}/../../secret/{secret.hash}/key",
        f"{'0' * 64}/%2e%2e/%2e%2e/secret/{secret.hash}/key",
    ):
        extents = (Extent(object_key, 0, 7),)
        digest = hashlib.sha256(b"secret!").hexdigest()
        forged = Manifest.of([FileInfo("stolen", 7, digest, "text/plain", extents)])
        version = forged.version_hash()
        file, data = forged.encode()
        name = f"{space}/datasets/cats"
        obstore.put(bucket, f"{name}/{version}/_ks/{file}", data)
        entries = obstore.list(bucket, f"{name}/_log/").collect()
        last = bytes(obstore.get(bucket, entries[-1]["path"]).bytes()).decode()
        before = owned.get_version(name)
        fake = last.replace(before.hash, version).replace(before.info.manifest, file)
        number = len(entries)
        obstore.put(bucket, f"{name}/_log/{number:020}.json", fake.encode())
        heard = wire(f"/files/{name}/{version}/stolen")
        assert heard.status in {400, 502}, heard
        assert b"secret!" not in heard.body
        obstore.delete(bucket, f"{name}/_log/{number:020}.json")
