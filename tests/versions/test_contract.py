"""The contract of a version store: memory, a directory and SeaweedFS all keep it."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import duckdb
import pytest
from obstore.store import ObjectStore

import klarity_storage as ks
from conftest import PlantTree, read_tree
from klarity_storage.layout import Kind, Name
from klarity_storage.versions.names import list_names
from versions.support import keys_below, upload

TREE = {
    "train/0001.png": b"\x89PNG one",
    "train/0002 é ü.png": b"two",
    "train/50%25 [x] #~?.txt": b"odd",
    "empty.bin": b"",
    "a-b": b"sorts between a and a/",
    "a/b": b"in a folder",
}


def test_what_is_pushed_comes_back(
    storage: ks.Storage, space: str, plant: PlantTree, tmp_path: Path
) -> None:
    version = storage.push(f"{space}/datasets/cats", plant(TREE), message="first")

    assert read_tree(version.download(tmp_path / "out")) == TREE
    assert version.open("train/0001.png").read() == TREE["train/0001.png"]
    assert read_tree(version.path()) == TREE
    assert [file.path for file in version.files()] == sorted(TREE, key=str.encode)
    assert (version.info.files, version.info.bytes) == (6, sum(map(len, TREE.values())))
    assert (version.info.message, version.info.seq, version.info.latest) == ("first", 0, True)


def test_sha256sum_verifies_files_and_hash(
    storage: ks.Storage, space: str, plant: PlantTree, tmp_path: Path
) -> None:
    version = storage.push(f"{space}/datasets/cats", plant(TREE))
    folder = version.download(tmp_path / "out")

    sums = "".join(f"{file.sha256}  {file.path}\n" for file in version.files())
    subprocess.run(["sha256sum", "--check", "--quiet"], cwd=folder, input=sums.encode(), check=True)
    lines = "".join(f"{file.sha256} {file.size} {file.path}\n" for file in version.files())
    done = subprocess.run(["sha256sum"], input=lines.encode(), capture_output=True, check=True)
    assert done.stdout.split()[0].decode() == version.hash


def test_keys_are_as_designed(
    storage: ks.Storage, bucket: ObjectStore, space: str, plant: PlantTree
) -> None:
    version = storage.push(f"{space}/models/net", plant({"w.bin": b"1", "sub/c.json": b"{}"}))

    assert keys_below(bucket, f"{space}/models/net/") == {
        "_log/00000000000000000000.json",
        f"{version.hash}/_ks/{version.info.manifest}",
        f"{version.hash}/sub/c.json",
        f"{version.hash}/w.bin",
    }
    data = bytes(bucket.get(f"{space}/models/net/{version.hash}/w.bin").bytes())
    assert data == b"1"


def test_duckdb_reads_the_manifest(
    storage: ks.Storage, bucket: ObjectStore, space: str, plant: PlantTree, tmp_path: Path
) -> None:
    version = storage.push(f"{space}/artefacts/report", plant({"b": b"22", "a": b"1"}))
    key = f"{space}/artefacts/report/{version.hash}/_ks/{version.info.manifest}"
    file = tmp_path / "manifest.parquet"
    file.write_bytes(bytes(bucket.get(key).bytes()))

    rows = duckdb.execute(f"select path, size, sha256, extents from '{file}'").fetchall()

    assert rows == [
        (
            path,
            len(data),
            hashlib.sha256(data).hexdigest(),
            [{"object": f"{version.hash}/{path}", "offset": 0, "length": len(data)}],
        )
        for path, data in (("a", b"1"), ("b", b"22"))
    ]


def test_the_latest_content_is_not_committed_again(
    storage: ks.Storage, bucket: ObjectStore, space: str, plant: PlantTree
) -> None:
    first = storage.push(f"{space}/datasets/cats", plant(TREE))
    keys = keys_below(bucket, f"{space}/")
    again = storage.push(f"{space}/datasets/cats", plant(TREE, "elsewhere"), message="again")

    assert again.info == first.info
    assert keys_below(bucket, f"{space}/") == keys


def test_older_content_is_committed_again_without_an_upload(
    storage: ks.Storage, bucket: ObjectStore, space: str, plant: PlantTree
) -> None:
    old = storage.push(f"{space}/datasets/cats", plant({"a": b"1"}, "old"))
    new = storage.push(f"{space}/datasets/cats", plant({"a": b"2"}, "new"))
    keys = keys_below(bucket, f"{space}/")
    back = storage.push(f"{space}/datasets/cats", plant({"a": b"1"}, "back"), message="back")

    assert back.hash == old.hash
    assert (back.info.seq, back.info.latest, back.info.parents) == (2, True, [new.hash])
    added = keys_below(bucket, f"{space}/") - keys
    assert added == {"datasets/cats/_log/00000000000000000002.json"}
    assert [v.hash for v in storage.get_versions(f"{space}/datasets/cats")] == [
        old.hash,
        new.hash,
        old.hash,
    ]


def test_a_file_that_the_latest_version_has_costs_nothing(
    storage: ks.Storage, bucket: ObjectStore, space: str, plant: PlantTree
) -> None:
    first = storage.push(f"{space}/datasets/cats", plant({"a": b"same", "b": b"1"}, "one"))
    second = storage.push(f"{space}/datasets/cats", plant({"moved": b"same", "b": b"2"}, "two"))

    assert keys_below(bucket, f"{space}/datasets/cats/{second.hash}/") == {
        "b",
        f"_ks/{second.info.manifest}",
    }
    assert second.files()[1].extents[0].object == f"{first.hash}/a"
    assert second.open("moved").read() == b"same"


def test_two_files_of_one_content_are_stored_once(
    storage: ks.Storage, bucket: ObjectStore, space: str, plant: PlantTree, tmp_path: Path
) -> None:
    tree = {"a": b"same", "b": b"same", "c": b"other", "d": b"", "e": b""}
    version = storage.push(f"{space}/datasets/cats", plant(tree))

    keys = keys_below(bucket, f"{space}/datasets/cats/{version.hash}/")
    assert keys == {"a", "c", "d", f"_ks/{version.info.manifest}"}
    assert read_tree(version.download(tmp_path / "out")) == tree


def test_tags_stand_for_versions_and_move(
    storage: ks.Storage, space: str, plant: PlantTree
) -> None:
    name = f"{space}/datasets/cats"
    one = storage.push(name, plant({"a": b"1"}, "one"))
    two = storage.push(name, plant({"a": b"2"}, "two"))

    storage.tag(f"{name}@{one.hash[:8]}", "prod")
    assert storage.get_version(f"{name}@prod").hash == one.hash
    storage.tag(name, "prod")
    storage.tag(f"{name}@prod", "beta")
    assert [(tag.tag, tag.version) for tag in storage.get_tags(name)] == [
        ("beta", two.hash),
        ("prod", two.hash),
    ]
    assert storage.get_version(name).info.tags == ["beta", "prod"]
    storage.untag(name, "prod")
    with pytest.raises(ks.VersionNotFoundError, match="prod"):
        storage.get_version(f"{name}@prod")
    with pytest.raises(ks.VersionNotFoundError, match="prod"):
        storage.untag(name, "prod")
    with pytest.raises(ks.VersionNotFoundError):
        storage.tag(f"{name}@dead", "gone")
    with pytest.raises(ks.InvalidNameError, match="reads as a hash"):
        storage.tag(name, "cafe")


def test_lineage_and_metadata_are_kept_and_pinned(
    storage: ks.Storage, space: str, plant: PlantTree
) -> None:
    cats = storage.push(f"{space}/datasets/cats", plant({"a": b"1"}, "cats"))
    storage.tag(f"{space}/datasets/cats", "prod")

    model = storage.push(
        f"{space}/models/net",
        plant({"w": b"2"}, "net"),
        lineage=[f"{space}/datasets/cats@prod", f"{space}/tables/runs"],
        metadata={"accuracy": 0.93, "labels": ["tabby", "µ"]},
    )

    assert model.info.lineage == [cats.ref, f"{space}/tables/runs"]
    again = storage.get_version(f"{space}/models/net")
    assert again.info.metadata == {"accuracy": 0.93, "labels": ["tabby", "µ"]}
    with pytest.raises(ks.VersionNotFoundError):
        storage.push(
            f"{space}/models/net", plant({"w": b"3"}, "x"), lineage=[f"{space}/datasets/dogs"]
        )
    with pytest.raises(ks.InvalidInputError, match="65536"):
        storage.push(f"{space}/models/net", plant({"w": b"4"}, "y"), metadata={"x": "y" * 70_000})
    assert len(storage.get_versions(f"{space}/models/net")) == 1


def test_names_are_listed_when_something_is_committed(
    storage: ks.Storage, bucket: ObjectStore, space: str, plant: PlantTree
) -> None:
    half = Name(space, Kind.DATASETS, "half")
    upload(bucket, half, {"a": b"1"})
    bucket.put(f"{space}/datasets/Not Ours/file", b"1")
    storage.push(f"{space}/datasets/cats", plant({"a": b"1"}))

    assert list_names(bucket, space, Kind.DATASETS) == [Name(space, Kind.DATASETS, "cats")]
    with pytest.raises(ks.VersionNotFoundError, match="half"):
        storage.get_version(str(half))
    with pytest.raises(ks.VersionNotFoundError, match="half"):
        storage.get_versions(str(half))


def test_a_large_file_travels_in_parts(
    storage: ks.Storage, space: str, plant: PlantTree, tmp_path: Path
) -> None:
    data = bytes(range(256)) * 80_000  # 20 MB, three parts
    version = storage.push(f"{space}/models/net", plant({"weights.bin": data}))

    assert (version.download(tmp_path / "out") / "weights.bin").read_bytes() == data
    with version.open("weights.bin") as file:
        file.seek(10_000_000)
        assert file.read(4) == data[10_000_000:10_000_004]


def test_one_file_is_a_version_of_one_file(
    storage: ks.Storage, space: str, plant: PlantTree
) -> None:
    version = storage.push(f"{space}/models/net", plant({"w.bin": b"1"}) / "w.bin")

    assert [file.path for file in version.files()] == ["w.bin"]


def test_progress_adds_up(
    storage: ks.Storage, space: str, plant: PlantTree, tmp_path: Path
) -> None:
    seen: list[ks.Progress] = []
    version = storage.push(f"{space}/datasets/cats", plant(TREE), progress=seen.append)
    version.download(tmp_path / "out", progress=seen.append)

    size = version.info.bytes
    assert [p for p in seen if p.done_files == 6] == [
        ks.Progress(phase, size, size, 6, 6) for phase in ("hashing", "uploading", "downloading")
    ]
