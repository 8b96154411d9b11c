"""One cache of two users of a group: each takes what the other has fetched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import klarity_storage as ks
from conftest import PlantTree, read_tree

GROUP = 64_100
ALICE, BOB, STRANGER = 64_101, 64_102, 64_103
NAME = "vision/datasets/cats"
TREE = {f"{i % 3}/{i:02}": str(i).encode() * 100 for i in range(20)}
MORE = {"more": b"m" * 1000}

# Imports come first: the interpreter may lie where only the caller of the tests may read.
PULL = """
import os, sys
import klarity_storage as ks
import klarity_storage.cache.source, klarity_storage.versions.pull
uid, gid, store, selector, out = sys.argv[1:]
storage = ks.connect(store)
os.setgroups([]); os.setresgid(int(gid), int(gid), int(gid)); os.setresuid(*[int(uid)] * 3)
os.umask(0o077)
storage.get_version(selector).download(out, keep=True)
"""


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user reaches: those of pytest are its owner's alone."""
    if os.geteuid() != 0:
        pytest.skip("only root can be two users")
    folder = Path(tempfile.mkdtemp(prefix="ks-group-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def refs(shared: Path, plant: PlantTree) -> tuple[str, str]:
    """Two versions in a directory that all may read, and a cache that is the group's."""
    storage = ks.connect(shared / "store")
    first = storage.push(NAME, plant(TREE)).ref
    second = storage.push(NAME, plant(TREE | MORE)).ref
    folder = shared / "cache"
    folder.mkdir()
    os.chown(folder, ALICE, GROUP)
    folder.chmod(0o2770)
    return first, second


def pull(shared: Path, uid: int, ref: str, *, gid: int = GROUP) -> tuple[dict[str, bytes], str]:
    """What a user of a group gets, and what the process complained about."""
    home = Path(tempfile.mkdtemp(dir=shared))
    os.chown(home, uid, gid)
    done = subprocess.run(
        [sys.executable, "-c", PULL, str(uid), str(gid), str(shared / "store"), ref, "out"],
        cwd=home,
        env=os.environ | {"KS_CACHE": str(shared / "cache"), "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    return read_tree(home / "out") if done.returncode == 0 else {}, done.stderr


def objects(shared: Path) -> dict[Path, int]:
    """The cached files, and whose they are."""
    found = (shared / "cache" / "objects").rglob("*")
    return {file: file.stat().st_uid for file in found if file.is_file()}


def test_two_users_take_what_the_other_has_fetched(shared: Path, refs: tuple[str, str]) -> None:
    assert pull(shared, ALICE, refs[0]) == (TREE, "")
    fetched = objects(shared)
    assert len(fetched) == len(TREE)
    assert set(fetched.values()) == {ALICE}
    assert pull(shared, BOB, refs[1]) == (TREE | MORE, "")
    assert fetched.items() < objects(shared).items()
    assert set(objects(shared).items() - fetched.items()) == {
        (file, BOB) for file in objects(shared).keys() - fetched.keys()
    }
    assert pull(shared, ALICE, refs[1]) == (TREE | MORE, "")


def test_a_user_of_another_group_reads_nothing_of_it(shared: Path, refs: tuple[str, str]) -> None:
    assert pull(shared, ALICE, refs[0]) == (TREE, "")
    before = objects(shared)
    tree, said = pull(shared, STRANGER, refs[0], gid=STRANGER)
    assert tree == {}
    assert f"The index of the cache, '{shared}/cache/index.sqlite3', cannot be used" in said
    assert objects(shared) == before
