from __future__ import annotations

from pathlib import Path

import pytest

import klarity_storage as ks
from conftest import PlantTree, read_tree
from klarity_storage.versions.manifest import Manifest
from klarity_storage.versions.select import files_at, list_folder, path_filter
from versions.support import file_info

PATHS = ["a", "a-b/1", "a.txt", "b/1.tmp", "b/1.txt", "b/c/2.txt", "b/c/d/3.txt", "b0", "é/ü"]


@pytest.fixture
def manifest() -> Manifest:
    return Manifest.of(file_info(path, path.encode()) for path in PATHS)


@pytest.fixture
def version(tmp_path: Path, plant: PlantTree) -> ks.Version:
    tree = {path: path.encode() for path in PATHS}
    return ks.connect(tmp_path / "store").push("vision/datasets/cats", plant(tree))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (None, PATHS),
        ("", PATHS),
        ("/", PATHS),
        ("a", ["a"]),
        ("b", ["b/1.tmp", "b/1.txt", "b/c/2.txt", "b/c/d/3.txt"]),
        ("b/", ["b/1.tmp", "b/1.txt", "b/c/2.txt", "b/c/d/3.txt"]),
        ("b/c", ["b/c/2.txt", "b/c/d/3.txt"]),
        ("é", ["é/ü"]),
        ("é/ü", ["é/ü"]),
    ],
)
def test_what_lies_at_a_path(manifest: Manifest, path: str | None, found: list[str]) -> None:
    assert list(files_at(manifest, path).paths()) == found


@pytest.mark.parametrize("path", ["0", "b/c/d/3", "b/d", "zz", "\U0001f600", "a-b/1/2"])
def test_what_is_not_there_is_missing(manifest: Manifest, path: str) -> None:
    with pytest.raises(ks.FileMissingError):
        files_at(manifest, path)
    with pytest.raises(ks.FileMissingError):
        list_folder(manifest, path)


def test_a_folder_lists_what_stands_directly_in_it(manifest: Manifest) -> None:
    top = list_folder(manifest)
    assert top.folders == ["a-b", "b", "é"]
    assert [file.path for file in top.files] == ["a", "a.txt", "b0"]
    inner = list_folder(manifest, "b/")
    assert (inner.path, inner.folders) == ("b", ["b/c"])
    assert [file.path for file in inner.files] == ["b/1.tmp", "b/1.txt"]
    with pytest.raises(ks.FileMissingError, match="not a folder"):
        list_folder(manifest, "b/1.txt")


@pytest.mark.parametrize(
    ("include", "exclude", "found"),
    [
        ((), (), PATHS),
        (("b/*",), ("*.tmp",), ["b/1.txt", "b/c/2.txt", "b/c/d/3.txt"]),
        (("b/",), (), ["b/1.tmp", "b/1.txt", "b/c/2.txt", "b/c/d/3.txt"]),
        (("*.txt",), ("b/c/",), ["a.txt", "b/1.txt"]),
        (("?",), (), ["a"]),
        (("[ab]*[0-9]",), (), ["a-b/1", "b0"]),
        (("A",), (), []),
        ((), ("*",), []),
    ],
)
def test_globs(include: tuple[str, ...], exclude: tuple[str, ...], found: list[str]) -> None:
    assert list(filter(path_filter(include, exclude), PATHS)) == found


def test_a_text_in_the_place_of_a_list_is_refused() -> None:
    with pytest.raises(ks.InvalidInputError, match="include"):
        path_filter("train/*")


def test_a_part_of_a_version_is_downloaded(version: ks.Version, tmp_path: Path) -> None:
    assert read_tree(version.download(tmp_path / "1", include=["b/*"], exclude=["*.tmp"])) == {
        path: path.encode() for path in ("b/1.txt", "b/c/2.txt", "b/c/d/3.txt")
    }
    assert read_tree(version.download(tmp_path / "2", "b/c")) == {
        "2.txt": b"b/c/2.txt",
        "d/3.txt": b"b/c/d/3.txt",
    }
    assert read_tree(version.download(tmp_path / "3", "b/c/2.txt")) == {"2.txt": b"b/c/2.txt"}
    for missing in ({"include": ["nothing"]}, {"path": "nothing"}):
        with pytest.raises(ks.FileMissingError):
            version.download(tmp_path / "4", **missing)
    assert not (tmp_path / "4").exists()


def test_a_version_lists_its_files_and_folders(version: ks.Version) -> None:
    assert [file.path for file in version.files("b/c")] == ["b/c/2.txt", "b/c/d/3.txt"]
    assert version.folder("b").folders == ["b/c"]
