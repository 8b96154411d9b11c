"""A name is given once, whatever the disk can do."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from klarity_storage import rename
from klarity_storage.rename import rename_new


@pytest.fixture(params=["in one call", "by a link", "by looking first"])
def _disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: Any) -> None:
        raise OSError(errno.EPERM, "no links here")

    if request.param != "in one call":
        monkeypatch.setattr(rename, "_renameat2", lambda: lambda source, target: errno.EINVAL)
    if request.param == "by looking first":
        monkeypatch.setattr(os, "link", no_links)


@pytest.mark.usefixtures("_disk")
def test_a_file_gets_a_free_name(tmp_path: Path) -> None:
    source, target = tmp_path / "é 1", tmp_path / "é 2"
    source.write_bytes(b"new")
    rename_new(str(source), str(target))
    assert target.read_bytes() == b"new"
    assert not source.exists()


@pytest.mark.usefixtures("_disk")
@pytest.mark.parametrize("taken", ["file", "dangling link"])
def test_a_taken_name_stays_with_its_file(tmp_path: Path, taken: str) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"new")
    if taken == "file":
        target.write_bytes(b"old")
    else:
        target.symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        rename_new(str(source), str(target))
    assert source.read_bytes() == b"new"
    assert target.is_symlink() or target.read_bytes() == b"old"


def test_a_source_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        rename_new(str(tmp_path / "a"), str(tmp_path / "b"))
