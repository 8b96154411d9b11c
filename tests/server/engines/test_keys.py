from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from klarity_storage.errors import ConfigurationError
from klarity_storage.server.engines.keys import load_keys, write_private


def test_keys_are_made_once_and_kept(tmp_path: Path) -> None:
    first = load_keys(tmp_path / "keys.json")
    assert load_keys(tmp_path / "keys.json") == first
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    values = msgspec.structs.astuple(first)
    assert len(set(values)) == len(values)
    assert min(len(value) for value in values[1:]) >= 43


def test_keys_are_not_shown(tmp_path: Path) -> None:
    keys = load_keys(tmp_path / "keys.json")
    shown = f"{keys} {keys!r}"
    assert not [value for value in msgspec.structs.astuple(keys)[1:] if value in shown]


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"access_key_id": 1}', "\0"])
def test_damaged_keys_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys.json").write_text(content)
    with pytest.raises(ConfigurationError, match=r"keys\.json"):
        load_keys(tmp_path / "keys.json")
    assert (tmp_path / "keys.json").read_text() == content


def test_a_private_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")
    file.chmod(0o644)
    write_private(file, b"new")
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o600
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_private(tmp_path / "folder", b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
