from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import klarity_storage as ks
from conftest import PlantTree
from klarity_storage.versions.scan import scan_tree


def paths(root: Path) -> list[str]:
    return [file.path for file in scan_tree(root)]


def test_files_are_listed_in_the_order_of_their_paths(plant: PlantTree) -> None:
    root = plant({"b": b"1", "a/z": b"", "a-b": b"22", "é": b"3", ".hidden/x": b"4"})
    (root / "empty folder").mkdir()
    assert paths(root) == [".hidden/x", "a-b", "a/z", "b", "é"]


def test_a_link_inside_the_tree_is_its_file(plant: PlantTree) -> None:
    root = plant({"data/a": b"12345"})
    (root / "link").symlink_to("data/a")
    files = scan_tree(root)
    assert [(file.path, file.file.read_bytes()) for file in files] == [
        ("data/a", b"12345"),
        ("link", b"12345"),
    ]
    assert files[1].size == 5


def test_a_tree_that_is_reached_by_a_link_is_a_tree(plant: PlantTree, tmp_path: Path) -> None:
    root = plant({"a": b"1", "b": b"2"})
    (root / "c").symlink_to("b")
    (tmp_path / "alias").symlink_to(root)
    assert paths(tmp_path / "alias") == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("/etc/hostname", "leaves the tree"),
        ("../outside", "leaves the tree"),
        ("nowhere", "leads nowhere"),
        ("self", "leads nowhere"),
        ("folder", "leads to a folder"),
    ],
)
def test_other_links_are_refused(plant: PlantTree, target: str, says: str) -> None:
    root = plant({"folder/a": b"1"})
    (root.parent / "outside").write_bytes(b"secret")
    (root / "self").symlink_to(target)
    with pytest.raises(ks.InvalidPathError, match=says):
        scan_tree(root)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (b"new\nline", "control character"),
        (b"back\\slash", "backslash"),
        (b"not-utf8-\xff", "UTF-8"),
        (b"x" * 251, "250 bytes"),
    ],
)
def test_a_file_name_that_cannot_be_stored_is_refused(
    tmp_path: Path, name: bytes, says: str
) -> None:
    (tmp_path / "folder").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path / "folder") + b"/" + name)).write_bytes(b"1")
    with pytest.raises(ks.InvalidPathError, match=says):
        scan_tree(tmp_path)


def test_a_reserved_folder_is_refused(plant: PlantTree) -> None:
    with pytest.raises(ks.InvalidPathError, match="reserved"):
        scan_tree(plant({"_ks/manifest": b"1"}))


def test_what_is_no_file_is_refused(plant: PlantTree) -> None:
    root = plant({"a": b"1"})
    os.mkfifo(root / "pipe")
    with pytest.raises(ks.InvalidPathError, match="neither a file nor a folder"):
        scan_tree(root)


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty" / "deep").mkdir(parents=True)
    with pytest.raises(ks.InvalidInputError, match="holds no files"):
        scan_tree(tmp_path / "empty")


def test_a_tree_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ks.FileMissingError, match="There is no file or folder"):
        scan_tree(tmp_path / "nothing")


@pytest.mark.parametrize("locked", ["folder", "file"])
def test_what_cannot_be_read_is_refused_and_nothing_is_committed(
    tmp_path: Path, plant: PlantTree, locked: str
) -> None:
    """As another user, since root reads everything."""
    root = plant({"folder/secret": b"1", "open": b"2"})
    (root / "folder" if locked == "folder" else root / "open").chmod(0)
    store = tmp_path / "store"
    store.mkdir(mode=0o777)
    store.chmod(0o777)
    program = f"""
import os, klarity_storage as ks
ks.connect  # load it while the environment can be read
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    ks.connect({str(store)!r}).push("vision/datasets/cats", {str(root)!r})
except ks.ForbiddenError as error:
    print(error)
"""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    (root / "folder").chmod(0o755)
    assert locked == "folder" or "open" in done.stdout
    assert "refused access" in done.stdout
    assert not list(store.rglob("_log"))
