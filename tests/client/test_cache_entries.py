from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import klarity_storage as ks
from klarity_storage.client.cache_entries import (
    CacheEntry,
    all_entries,
    entries_of,
    find_entry,
    remove_entry,
    write_entry,
)
from klarity_storage.layout import Kind, Name

RUNS = Name("vision", Kind.TABLES, "runs")
AT = "https://ks.example.org"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return (tmp_path / ".safenai").resolve()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# of the project\n",
        '[storage]\n# ours\nbase_url = "https://ks.example.org" # the big one\n',
        'storage = { base_url = "https://ks.example.org" }\n',
        'storage.base_url = "https://ks.example.org"\n',
        '[storage]\ncache = { "a/tables/b" = { mode = "ro" } }\n',
        '# a\n[storage.cache."a/tables/b"]\n# why\nmode = "ro" # fast\n\n# z\n[z]\nq = 2 # two\n',
        '[storage.cache."a/tables/b"]\nmode = "ro"\n[z]\nq = 1\n[storage]\ndataspaces = ["a"]\n',
    ],
)
def test_an_entry_comes_changes_and_goes_and_the_rest_stays(file: Path, text: str) -> None:
    file.write_text(text)
    before = entries_of(file)

    write_entry(CacheEntry(RUNS, "ro", file, 3))
    assert find_entry(RUNS, file.parent, AT) == CacheEntry(RUNS, "ro", file, 3)
    write_entry(CacheEntry(RUNS, "sandbox", file))
    assert entries_of(file) == before | {RUNS: CacheEntry(RUNS, "sandbox", file)}
    remove_entry(CacheEntry(RUNS, "sandbox", file))

    assert entries_of(file) == before
    kept = [line for line in text.splitlines() if line.strip()]
    assert [line for line in file.read_text().splitlines() if line.strip()] == kept


def test_comments_of_an_entry_stay_when_it_changes(file: Path) -> None:
    file.write_text('[storage.cache."vision/tables/runs"]\n# slow line\nmode = "ro" # for now\n')
    write_entry(CacheEntry(RUNS, "sandbox", file))
    assert "# slow line" in file.read_text()
    assert "# for now" in file.read_text()


def test_writers_at_once_lose_nothing(file: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from klarity_storage.client.cache_entries import CacheEntry, write_entry\n"
        "from klarity_storage.layout import Kind, Name\n"
        "for i in range(20):\n"
        "    name = Name('vision', Kind.TABLES, f'{sys.argv[2]}-{i}')\n"
        "    write_entry(CacheEntry(name, 'ro', Path(sys.argv[1])))\n"
    )
    file.write_text("# ours\n")
    command = [sys.executable, "-c", script, str(file)]
    writers = [subprocess.Popen([*command, name]) for name in ("a", "b", "c")]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]

    assert len(entries_of(file)) == 60
    assert file.read_text().startswith("# ours\n")
    assert [path.name for path in file.parent.iterdir()] == [".safenai"]


def test_entries_count_at_the_server_that_the_file_names(file: Path, tmp_path: Path) -> None:
    file.write_text(f'[storage]\nbase_url = "{AT}/"\n[storage.cache."{RUNS}"]\nmode = "ro"\n')
    assert [entry.table for entry in all_entries(tmp_path, AT)] == [RUNS]
    assert all_entries(tmp_path, "https://other.example.org") == []
    assert find_entry(RUNS, tmp_path, "https://other.example.org") is None
    (tmp_path / "below").mkdir()
    assert find_entry(RUNS, tmp_path / "below", AT) is not None


def test_a_folder_of_another_server_takes_no_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".safenai").write_text(f'[storage]\nbase_url = "{AT}"\n')
    with ks.connect(tmp_path / "store") as storage:
        table = storage.push_data_frame(str(RUNS), {"id": [1]})
        with pytest.raises(ks.ConfigurationError, match="another server"):
            storage.cache_table(table)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('["vision/runs"]\nmode = "ro"', "names no table"),
        ('["vision/tables/runs"]\nmod = "ro"', "Did you mean 'mode'"),
        ('["vision/tables/runs"]\nmode = "rw"', "unknown mode 'rw'"),
        ('["vision/tables/runs"]\nversion = 3', "has no 'mode'"),
        ('["vision/tables/runs"]\nmode = "sandbox"\nversion = 3', "only the mode ro"),
        ('["vision/tables/runs"]\nmode = "ro"\nversion = -1', "not a version's number"),
        ('["vision/tables/runs"]\nmode = "redirect"', "has no 'path'"),
        ('["vision/tables/runs"]\nmode = "ro"\npath = "x.csv"', "only the mode redirect"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_key(file: Path, said: str, told: str) -> None:
    file.write_text(f"[storage.cache.{said[1:]}\n")
    with pytest.raises(ks.ConfigurationError) as caught:
        entries_of(file)
    assert told in f"{caught.value.message} {caught.value.hint}"
    assert str(file) in caught.value.message
