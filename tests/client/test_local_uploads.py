from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import klarity_storage as ks
from conftest import PlantTree, read_tree

NAME = "vision/datasets/cats"

# the upload of a file above one part is a stream: it is killed while it is open
HANG = """
import sys, obstore
from obstore.store import LocalStore
store = LocalStore(sys.argv[1])
with obstore.open_writer(store, sys.argv[2], buffer_size=1024) as writer:
    writer.write(b"x" * 10_000)
    writer.flush()
    print("written", flush=True)
    sys.stdin.read()
"""


def test_an_upload_that_was_killed_is_garbage(plant: PlantTree, tmp_path: Path) -> None:
    tree = {"a": b"1", "odd#1.txt": b"2", "b#": b"3"}
    storage = ks.connect(tmp_path / "store")
    version = storage.push(NAME, plant(tree))
    key = f"{NAME}/{version.hash}/data"
    command = [sys.executable, "-c", HANG, str(tmp_path / "store"), key]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"written\n"
    process.kill()
    process.communicate()
    left = [file.name for file in (tmp_path / "store").rglob("data#*")]
    assert left == ["data#1"]

    assert not garbage(storage, timedelta(hours=1))
    assert garbage(storage, timedelta(0)) == [(f"{key}#1", "upload")]
    assert garbage(storage, timedelta(0), dry_run=False) == [(f"{key}#1", "upload")]
    assert not list((tmp_path / "store").rglob("data#*"))
    assert read_tree(version.download(tmp_path / "out")) == tree


def garbage(
    storage: ks.Storage, grace: timedelta, *, dry_run: bool = True
) -> list[tuple[str, str]]:
    found = storage.collect_garbage(NAME, grace=grace, dry_run=dry_run)
    return [(item.key, item.reason) for _, part in found for item in part.items]
