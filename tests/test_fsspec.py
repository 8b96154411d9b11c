"""``ks://`` as other libraries read it."""

from __future__ import annotations

import pickle
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

import klarity_storage as ks
from klarity_storage import fsspec as ours

CATS = "vision/datasets/cats"
FRAME = pd.DataFrame({"id": range(1000), "score": [i / 7 for i in range(1000)]})


@pytest.fixture(autouse=True)
def _registered() -> None:
    fsspec.register_implementation("ks", ours.KlarityFileSystem, clobber=True)
    ours.KlarityFileSystem.clear_instance_cache()


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ks.Storage:
    tree = tmp_path / "tree"
    (tree / "train" / "deep").mkdir(parents=True)
    for part in range(3):
        FRAME.iloc[part * 100 : part * 100 + 100].to_parquet(tree / "train" / f"{part}.parquet")
    FRAME.to_csv(tree / "all.csv", index=False)
    (tree / "train" / "deep" / "é.bin").write_bytes(bytes(range(256)))
    monkeypatch.setenv("KS_URL", str(tmp_path / "store"))
    storage = ks.connect()
    storage.push(CATS, tree)
    storage.tag(CATS, "prod")
    return storage


@pytest.fixture
def system(storage: ks.Storage) -> ours.KlarityFileSystem:
    found = fsspec.filesystem("ks")
    assert isinstance(found, ours.KlarityFileSystem)
    return found


def test_the_entry_point_names_the_class() -> None:
    project = Path(__file__).parent.parent / "pyproject.toml"
    points = tomllib.loads(project.read_text())["project"]["entry-points"]["fsspec.specs"]
    module, _, name = points["ks"].partition(":")
    assert getattr(import_module(module), name) is ours.KlarityFileSystem


def test_listing(system: ours.KlarityFileSystem) -> None:
    top = f"{CATS}@prod"
    assert system.ls(f"ks://{top}", detail=False) == [f"{top}/train", f"{top}/all.csv"]
    assert system.ls(f"{top}/all.csv", detail=False) == [f"{top}/all.csv"]
    assert system.ls("", detail=False) == ["vision"]
    assert system.ls("vision/datasets", detail=False) == [CATS]
    assert f"{CATS}" in system.ls("vision/datasets", detail=False)
    assert system.find(f"{top}/train/deep") == [f"{top}/train/deep/é.bin"]
    assert len(system.find(CATS)) == 5
    assert system.glob(f"ks://{top}/train/*.parquet") == [
        f"{top}/train/{part}.parquet" for part in range(3)
    ]
    assert system.glob(f"{top}/**/*.bin") == [f"{top}/train/deep/é.bin"]
    assert system.find(f"{CATS}/nothing") == []


def test_what_is_known_of_a_path(storage: ks.Storage, system: ours.KlarityFileSystem) -> None:
    info = system.info(f"{CATS}/train/deep/é.bin")
    file = storage.get_version(CATS).file("train/deep/é.bin")
    assert (info["type"], info["size"], info["sha256"]) == ("file", 256, file.sha256)
    assert system.ukey(f"{CATS}/train/deep/é.bin") == file.sha256
    assert system.isdir(f"{CATS}/train")
    assert system.isdir(CATS)
    assert system.isdir("vision")
    assert not system.exists(f"{CATS}/none")
    assert not system.exists("vision/datasets/dogs/x")
    assert system.modified(f"{CATS}/all.csv") == storage.get_version(CATS).info.at
    for missing in (f"{CATS}/none", f"{CATS}@nothing/all.csv", "vision/datasets/dogs"):
        with pytest.raises(FileNotFoundError):
            system.info(missing)
        with pytest.raises(FileNotFoundError):
            system.open(f"{missing}/x")


def test_bytes_and_ranges(system: ours.KlarityFileSystem, tmp_path: Path) -> None:
    path, data = f"{CATS}@prod/train/deep/é.bin", bytes(range(256))
    assert system.cat_file(path) == data
    for start, end in ((0, 10), (250, None), (None, 3), (-6, -1), (10, 10), (200, 999)):
        assert system.cat_file(path, start, end) == data[start:end]
    assert system.cat_ranges([path, path], [0, 8], [4, 9]) == [data[:4], data[8:9]]
    missing = system.cat_ranges([path, f"{path}x"], 0, 4)
    assert missing[0] == data[:4]
    assert isinstance(missing[1], FileNotFoundError)
    with pytest.raises(ks.FileMissingError):
        system.cat_ranges([f"{path}x"], 0, 4, on_error="raise")
    with fsspec.open(f"ks://{path}") as stream:
        assert stream.read() == data
    with fsspec.open(f"ks://{CATS}/all.csv", "rt") as text:
        assert text.readline() == "id,score\n"
    system.get(f"{CATS}/train", str(tmp_path / "got"), recursive=True)
    assert (tmp_path / "got" / "deep" / "é.bin").read_bytes() == data


def test_nothing_can_be_written(system: ours.KlarityFileSystem) -> None:
    with pytest.raises(ks.InvalidInputError, match="never change"):
        system.open(f"{CATS}/new", "wb")
    with pytest.raises(NotImplementedError):
        system.rm(f"{CATS}/all.csv")


def test_pandas(storage: ks.Storage, tmp_path: Path) -> None:
    del storage
    pd.testing.assert_frame_equal(pd.read_csv(f"ks://{CATS}/all.csv"), FRAME)
    at = {"at": str(tmp_path / "store")}
    part = pd.read_parquet(f"ks://{CATS}@prod/train/1.parquet", storage_options=at)
    assert part["id"].tolist() == list(range(100, 200))


def test_pyarrow(system: ours.KlarityFileSystem) -> None:
    paths = system.glob(f"{CATS}/train/*.parquet")
    data = pyarrow.dataset.dataset(paths, filesystem=system, format="parquet")
    found = data.to_table(filter=pyarrow.dataset.field("id") >= 290, use_threads=False)
    assert found["id"].to_pylist() == list(range(290, 300))
    schema = pq.read_schema(paths[0], filesystem=system)
    assert schema.field("id").type == pa.int64()


def test_dask(storage: ks.Storage) -> None:
    del storage
    dask_frames: Any = import_module("dask.dataframe")
    frame = dask_frames.read_csv(f"ks://{CATS}@prod/all.csv", blocksize=4_000)
    assert frame.npartitions > 1
    assert int(frame["id"].sum().compute(scheduler="threads")) == sum(range(1000))
    parts = dask_frames.read_parquet(f"ks://{CATS}@prod/train/*.parquet")
    assert len(parts.compute(scheduler="threads")) == 300


def test_it_travels_without_a_secret(
    system: ours.KlarityFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KS_TOKEN", "ks_secret")
    assert system.exists(f"{CATS}/all.csv")
    packed = pickle.dumps(system)
    assert b"ks_secret" not in packed
    ours.KlarityFileSystem.clear_instance_cache()
    assert pickle.loads(packed).exists(f"{CATS}/all.csv")


def test_a_tag_is_looked_up_again_and_a_hash_is_not(
    storage: ks.Storage,
    system: ours.KlarityFileSystem,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = storage.get_version(CATS)
    monkeypatch.setattr(ours, "FRESH", 1e9)
    assert system.exists(f"{CATS}/all.csv")
    (tmp_path / "new.txt").write_text("new")
    storage.push(CATS, tmp_path / "new.txt")
    assert not system.exists(f"{CATS}/new.txt")
    system.invalidate_cache()
    assert system.exists(f"{CATS}/new.txt")
    monkeypatch.setattr(ours, "FRESH", -1)
    assert not system.exists(f"{CATS}/all.csv")
    assert system.exists(f"{first.ref}/all.csv")
