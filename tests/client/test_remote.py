"""The version store through a server and its engine, with rights."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import klarity_storage as ks
from conftest import PlantTree, read_tree
from server_fixture import RunningServer

TREE = {"train/é 1.png": b"one", "empty": b"", "w.bin": b"0123456789" * 1_000_000}


def test_what_is_pushed_comes_back(
    owned: ks.Storage, space: str, plant: PlantTree, tmp_path: Path
) -> None:
    name = f"{space}/datasets/cats"
    version = owned.push(name, plant(TREE), message="first", metadata={"a": [1]})
    owned.tag(version.ref, "prod")

    again = owned.get_version(f"{name}@prod")
    assert again == version
    assert read_tree(again.download(tmp_path / "out")) == TREE
    assert again.open("train/é 1.png").read() == b"one"
    assert again.info.by == owned.whoami().principal
    assert [info.name for info in owned.get_datasets(space)] == ["cats"]
    assert owned.push(name, plant(TREE)).info.seq == version.info.seq
    owned.untag(name, "prod")
    assert owned.get_tags(name) == []


def test_a_reader_reads_and_a_stranger_sees_nothing(
    server: RunningServer, owned: ks.Storage, space: str, plant: PlantTree
) -> None:
    name = f"{space}/datasets/cats"
    version = owned.push(name, plant({"a": b"1"}))
    owned.push(f"{space}/datasets/dogs", plant({"a": b"1"}))
    reader = server.user(("reader", f"{space}/datasets/cat*"))
    stranger = server.user()

    assert reader.get_version(name).open("a").read() == b"1"
    assert [info.name for info in reader.get_datasets(space)] == ["cats"]
    for refused in (
        lambda: reader.push(name, plant({"a": b"2"}, "x")),
        lambda: reader.tag(version.ref, "prod"),
        lambda: reader.credentials(space),
    ):
        with pytest.raises(ks.ForbiddenError):
            refused()
    for hidden in (
        lambda: reader.get_version(f"{space}/datasets/dogs"),
        lambda: stranger.get_version(name),
        lambda: stranger.get_versions(name),
        lambda: stranger.get_datasets(space),
        lambda: stranger.push(name, plant({"a": b"3"}, "y")),
    ):
        with pytest.raises(ks.NotFoundError) as caught:
            hidden()
        assert "may not" not in str(caught.value)
    # others of this server may have opened a space to anyone
    assert space not in {item.key for item in stranger.get_spaces()}
    assert [v.hash for v in owned.get_versions(name)] == [version.hash]
    for storage in (reader, stranger):
        storage.close()


def test_a_hidden_name_looks_like_one_that_does_not_exist(
    server: RunningServer, owned: ks.Storage, space: str, plant: PlantTree
) -> None:
    owned.push(f"{space}/datasets/cats", plant({"a": b"1"}))
    with server.user() as stranger:

        def said(ref: str) -> tuple[str, str | None, type]:
            with pytest.raises(ks.StorageError) as caught:
                stranger.get_version(ref)
            error = caught.value
            return str(error), error.hint, type(error)

        hidden = said(f"{space}/datasets/cats")
        absent = said(f"{space}/datasets/nope")
        assert absent == (hidden[0].replace("cats", "nope"), hidden[1], hidden[2])


def test_pushing_where_there_is_no_space_says_so(owned: ks.Storage, plant: PlantTree) -> None:
    with pytest.raises(ks.SpaceNotFoundError, match="nowhere"):
        owned.push("nowhere/datasets/cats", plant({"a": b"1"}))


def test_the_same_content_pushed_at_once_is_one_commit(
    server: RunningServer, owned: ks.Storage, space: str, plant: PlantTree
) -> None:
    root = plant({f"{i}": b"x" * i for i in range(30)})
    barrier = threading.Barrier(4)

    def push(_: int) -> str:
        with ks.connect(server.address, token=server.token) as storage:
            barrier.wait()
            return storage.push(f"{space}/datasets/cats", root).hash

    with ThreadPoolExecutor(4) as pool:
        hashes = set(pool.map(push, range(4)))
    assert [v.hash for v in owned.get_versions(f"{space}/datasets/cats")] == list(hashes)


def test_different_contents_at_once_are_all_kept(
    server: RunningServer, owned: ks.Storage, space: str, plant: PlantTree
) -> None:
    barrier = threading.Barrier(4)

    def push(number: int) -> str:
        root = plant({"a": str(number).encode()}, str(number))
        with ks.connect(server.address, token=server.token) as storage:
            barrier.wait()
            return storage.push(f"{space}/datasets/cats", root).hash

    with ThreadPoolExecutor(4) as pool:
        hashes = set(pool.map(push, range(4)))
    versions = owned.get_versions(f"{space}/datasets/cats")
    assert {version.hash for version in versions} == hashes
    assert [version.info.seq for version in versions] == [3, 2, 1, 0]


def test_an_upload_that_is_never_committed_is_not_visible(owned: ks.Storage, space: str) -> None:
    half = "0" * 64
    keys = owned.credentials(f"{space}/datasets/half", write=True, version=half)
    keys.obstore().put(f"{space}/datasets/half/{half}/a", b"1")

    assert owned.get_datasets(space) == []
    with pytest.raises(ks.VersionNotFoundError):
        owned.get_version(f"{space}/datasets/half")
