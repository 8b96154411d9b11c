from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from klarity_storage.errors import ConfigurationError, ConflictError
from klarity_storage.server.lock import LOCK, locked_data

ATTEMPT = """
import os, sys
from pathlib import Path
from klarity_storage.errors import StorageError
from klarity_storage.server.lock import locked_data
if len(sys.argv) > 2:
    os.setgroups([]), os.setgid(int(sys.argv[2])), os.setuid(int(sys.argv[2]))
try:
    with locked_data(Path(sys.argv[1])):
        print("held")
except StorageError as error:
    print(type(error).__name__, error.message, error.hint, sep="|")
"""


def attempt(data: Path, *, before: Sequence[str] = (), user: int | None = None) -> str:
    """What another process gets, started by the command ``before``, or as another user."""
    command = [*before, sys.executable, "-c", ATTEMPT, str(data)]
    command += [str(user)] if user is not None else []
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_missing_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    data = tmp_path / "deep" / "data"
    with locked_data(data):
        assert data.stat().st_mode & 0o777 == 0o700
        assert (data / LOCK).read_text() == str(os.getpid())
        assert (data / LOCK).stat().st_mode & 0o077 == 0
    assert [path.name for path in data.iterdir()] == [LOCK]


def test_a_second_server_is_told_where_and_who(tmp_path: Path) -> None:
    with locked_data(tmp_path):
        name, message, hint = attempt(tmp_path).split("|")
        assert name == "ConflictError"
        assert str(tmp_path) in message
        assert str(os.getpid()) in message
        assert "--data" in hint
    assert attempt(tmp_path) == "held"


def test_the_lock_holds_within_a_process_too(tmp_path: Path) -> None:
    with locked_data(tmp_path), pytest.raises(ConflictError), locked_data(tmp_path):
        pass
    with locked_data(tmp_path):
        pass


def test_a_lock_ends_with_a_server_that_was_killed(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path;"
        "from klarity_storage.server.lock import locked_data;"
        "locked_data(Path(sys.argv[1])).__enter__(); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert killed.returncode == -9
    assert attempt(tmp_path) == "held"


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for data in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigurationError, match="is not a directory"), locked_data(data):
            pass


def in_mount(data: Path, options: str, prepare: str = "true") -> str:
    """In a mount namespace of its own, where ``data`` is a small disk with those options."""
    script = f'mount -t tmpfs -o "{options}" tmpfs "$0" && {prepare} && exec "$@"'
    unshare = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*unshare, "sh", "-c", f'mount -t tmpfs tmpfs "{data}"'],
                      capture_output=True, check=False).returncode:  # fmt: skip
        pytest.skip("mounting a small disk is not possible here")
    return attempt(data, before=[*unshare, "sh", "-c", script, str(data)])


def test_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o555)
    for folder in (data, *data.parents):
        if str(folder).startswith(str(tmp_path.parents[1])):
            folder.chmod(folder.stat().st_mode | 0o555)
    # root writes everywhere, so it must become nobody
    user = 65534 if os.geteuid() == 0 else None
    name, message, hint = attempt(data, user=user).split("|")
    assert name == "ConfigurationError"
    assert re.search(r"cannot write to its data directory .*: Permission denied", message)
    assert "--data" in hint


def test_a_full_disk_is_said_to_be_full(tmp_path: Path) -> None:
    fill = f"head -c 64k /dev/zero > {tmp_path}/filler 2>/dev/null || true"
    name, message, _ = in_mount(tmp_path, "size=16k", f"({fill})").split("|")
    assert name == "StorageFullError"
    assert "no room left" in message
    assert str(tmp_path) in message


def test_a_nearly_full_disk_is_found_out_before_anything_is_started(tmp_path: Path) -> None:
    name, message, _ = in_mount(tmp_path, "size=32k").split("|")
    assert name == "StorageFullError"
    assert "no room left" in message


def test_a_read_only_disk_is_said_to_be_read_only(tmp_path: Path) -> None:
    name, message, _ = in_mount(tmp_path, "ro").split("|")
    assert name == "StorageFullError"
    assert "read-only" in message
