from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

import klarity_storage as ks
from klarity_storage.tables import binaries
from server_fixture import RunningServer

ROWS = [{"id": 1, "name": "a"}, {"id": 812, "name": "b"}]


@pytest.fixture(params=["local", "server"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> ks.Storage:
    if request.param == "local":
        return ks.connect(tmp_path / "store")
    owned: ks.Storage = request.getfixturevalue("owned")
    return owned


@pytest.fixture
def runs(storage: ks.Storage, space: str) -> ks.Table:
    return storage.push_data_frame(f"{space}/tables/runs", ROWS)


def test_files_of_a_row_come_back(storage: ks.Storage, runs: ks.Table, tmp_path: Path) -> None:
    scan = tmp_path / "scan.png"
    scan.write_bytes(os.urandom(3_000_000))
    done = storage.push_raw_binary(runs, 812, [scan, ("notes/ü 1.txt", b"fine"), ("empty", b"")])
    assert (done.files, done.kept) == (3, 0)
    by_name = {binary.name: binary for binary in storage.get_raw_binary(runs.ref, 812)}
    assert sorted(by_name) == ["empty", "notes/ü 1.txt", "scan.png"]
    assert by_name["empty"].read() == b""
    assert by_name["notes/ü 1.txt"].read() == b"fine"
    assert by_name["scan.png"].size == 3_000_000
    assert by_name["scan.png"].media_type == "image/png"
    with by_name["scan.png"].open() as opened:
        assert opened.read() == scan.read_bytes()
    target = by_name["scan.png"].download(tmp_path / "out")
    assert target.read_bytes() == scan.read_bytes()
    if storage.mode == "server":
        assert by_name["scan.png"].sha256 == hashlib.sha256(scan.read_bytes()).hexdigest()


def test_what_is_there_is_not_sent_again(
    storage: ks.Storage, runs: ks.Table, tmp_path: Path
) -> None:
    large = {"a.bin": b"a" * 100_000, "b.bin": b"b" * 100_000}
    assert storage.push_raw_binary(runs, rows={1: large, 2: large}).files == 4
    again = storage.push_raw_binary(
        runs, rows={1: large, 2: large | {"b.bin": b"c" * 100_000}, 3: {"c.bin": b"c"}}
    )
    assert (again.files, again.bytes, again.kept) == (2, 100_001, 3)
    assert storage.get_raw_binary(runs, 2)[1].read() == b"c" * 100_000


def test_rows_that_have_binaries_are_listed(storage: ks.Storage, runs: ks.Table) -> None:
    assert storage.list_raw_binaries(runs) == []
    odd = ["Zürich/3", "..", "_ks", ".hidden", "a b", "%2e", "~", "-7x"]
    rows: dict[int | str, list[tuple[str, bytes]]] = {row: [("f", b"1")] for row in (10, 9, -7)}
    storage.push_raw_binary(runs, rows=rows | {row: [("f", b"1")] for row in odd})
    assert storage.list_raw_binaries(runs) == [-7, 9, 10, *sorted(odd)]
    for row in odd:
        assert storage.get_raw_binary(runs, row)[0].read() == b"1"
    with pytest.raises(ks.FileMissingError, match="no binaries"):
        storage.get_raw_binary(runs, 11)


def test_rows_come_page_by_page(
    storage: ks.Storage, runs: ks.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row with more files than a page holds does not keep the others from being found."""
    monkeypatch.setattr(binaries, "_PAGE", 4)
    many = {f"slices/{number:03}.dcm": b"1" for number in range(10)}
    few = {"a": b"1", "b/c": b"2"}
    order: list[int | str] = [1, 10, "1-a", "1.b", 2, 3, "Zürich/3", "~"]
    rows: dict[int | str, dict[str, bytes]] = dict.fromkeys(order, few)
    storage.push_raw_binary(runs, rows=rows | {2: many, "~": many})

    found = list(storage.iterate_raw_binaries(runs))

    assert sorted(found, key=str) == sorted(order, key=str)
    for at, row in enumerate(found):
        assert list(storage.iterate_raw_binaries(runs, after=row)) == found[at + 1 :]
    assert list(storage.iterate_raw_binaries(runs, after="zzz")) in ([], ["~"])
    storage.delete_raw_binary(runs, found[3])
    assert list(storage.iterate_raw_binaries(runs, after=found[3])) == found[4:]


def test_rows_are_known_by_the_column_that_the_table_names(storage: ks.Storage, space: str) -> None:
    def push(table: str, column: str) -> ks.Table:
        declared = {"klarity.row_index": column}
        return storage.push_data_frame(f"{space}/tables/{table}", ROWS, metadata=declared)

    numbers, texts, wrong = push("numbers", "id"), push("texts", "name"), push("wrong", "nothing")
    for table, row in ((numbers, 5), (texts, "5")):
        storage.push_raw_binary(table, row, [("f", b"1")])
        assert storage.list_raw_binaries(table) == [row]
    assert storage.get_raw_binary(numbers, "5")[0].read() == b"1"
    for table, odd in ((numbers, "a"), (numbers, "05"), (texts, 5), (texts, True)):
        with pytest.raises(ks.InvalidInputError, match="cannot be a row index"):
            storage.push_raw_binary(table, odd, [("f", b"1")])
    with pytest.raises(ks.InvalidInputError, match="known by 'nothing'"):
        storage.list_raw_binaries(wrong)


def test_deleting_takes_what_is_named_and_no_more(storage: ks.Storage, runs: ks.Table) -> None:
    files = {"a": b"1", "in/b": b"2"}
    storage.push_raw_binary(runs, rows={1: files, 10: files, 2: files})
    assert storage.delete_raw_binary(runs, 1, ["a", "nothing"]) == 1
    assert [binary.name for binary in storage.get_raw_binary(runs, 1)] == ["in/b"]
    assert storage.delete_raw_binary(runs, [1, 2, 3]) == 3
    assert storage.list_raw_binaries(runs) == [10]


@pytest.mark.parametrize("name", ["../x", "/x", "a//b", "_ks/x", "", "a\0", "x" * 300])
def test_a_name_that_could_escape_is_refused(
    storage: ks.Storage, runs: ks.Table, name: str
) -> None:
    with pytest.raises(ks.InvalidPathError):
        storage.push_raw_binary(runs, 1, [(name, b"1")])
    assert storage.list_raw_binaries(runs) == []


def test_a_table_that_is_not_there_has_none(
    storage: ks.Storage, space: str, runs: ks.Table
) -> None:
    with pytest.raises(ks.TableNotFoundError):
        storage.push_raw_binary(f"{space}/tables/nothing", 1, [("f", b"1")])
    with pytest.raises(ks.InvalidInputError, match="no file"):
        storage.push_raw_binary(runs, 1, ["/nothing/there"])
    with pytest.raises(ks.InvalidInputError, match="or rows"):
        storage.push_raw_binary(runs, 1)


def test_a_grant_on_the_table_covers_its_binaries(
    server: RunningServer, owned: ks.Storage, space: str
) -> None:
    table = f"{space}/tables/runs"
    for each in ("runs", "runs2"):
        owned.push_data_frame(f"{space}/tables/{each}", ROWS)
    owned.push_raw_binary(table, 1, [("f", b"1")])
    reader, writer = server.user(("reader", table)), server.user(("writer", table))
    assert reader.get_raw_binary(table, 1)[0].read() == b"1"
    with pytest.raises(ks.ForbiddenError):
        reader.push_raw_binary(table, 1, [("f", b"2")])
    assert writer.push_raw_binary(table, 1, [("f", b"2")]).files == 1
    for storage in (reader, writer):
        with pytest.raises(ks.ForbiddenError):
            storage.delete_raw_binary(table, 1)
        with pytest.raises(ks.TableNotFoundError):
            storage.get_raw_binary(f"{space}/tables/runs2", 1)
    assert reader.get_raw_binary(table, 1)[0].read() == b"2"


def test_damage_is_never_handed_over(
    server: RunningServer, owned: ks.Storage, space: str, tmp_path: Path
) -> None:
    table = owned.push_data_frame(f"{space}/tables/runs", ROWS)
    owned.push_raw_binary(table, 1, [("f", b"right")])
    store = owned._backend.binaries(table.name, write=True)
    found = owned.get_raw_binary(table, 1)[0]
    digest = found.sha256
    assert digest is not None
    store.put(found.key, b"wrong", attributes={binaries.DIGEST: digest})
    for use in (found.read, found.open, lambda: found.download(tmp_path / "f")):
        with pytest.raises(ks.IntegrityError, match="'f' of row 1"):
            use()
    assert not (tmp_path / "f").exists()


def test_binaries_go_with_their_rows_when_asked(storage: ks.Storage, space: str) -> None:
    rows = [{"id": 1, "day": 1}, {"id": 2, "day": 1}, {"id": 2, "day": 2}, {"id": 3, "day": 2}]
    runs = storage.push_data_frame(
        f"{space}/tables/days", rows, metadata={"klarity.row_index": "id"}
    )
    files = [("a", b"1"), ("b", b"2")]
    storage.push_raw_binary(runs, rows={1: files, 2: files, 3: files})
    assert storage.delete_rows(runs, "id = 3").raw_binaries == 0
    assert storage.list_raw_binaries(runs) == [1, 2, 3]
    done = storage.delete_rows(runs, "day = 1", raw_binaries=True)
    assert done.raw_binaries == 2
    assert storage.list_raw_binaries(runs) == [2, 3], "another row is known by 2, and 3 went before"


def test_binaries_of_rows_that_nobody_can_tell_do_not_go(
    storage: ks.Storage, runs: ks.Table
) -> None:
    storage.push_raw_binary(runs, 1, [("a", b"1")])
    with pytest.raises(ks.InvalidInputError, match="which column its rows are known by"):
        storage.delete_rows(runs, "id = 1", raw_binaries=True)
    assert storage.list_raw_binaries(runs) == [1]
    assert storage.get_data_table(runs.ref).info.rows == len(ROWS)
