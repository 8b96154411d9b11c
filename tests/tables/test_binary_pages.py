"""A page of a row's binaries costs the engine a page, however many there are."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

import msgspec
import obstore
import pytest
from obstore.store import LocalStore, ObjectStore

from engine_proxy import Exchange, spoiled
from klarity_storage.errors import InvalidInputError
from klarity_storage.layout import Kind, Name, raw_binary_key
from klarity_storage.server.engines.seaweed import SeaweedEngine
from klarity_storage.server.engines.sts import open_store
from klarity_storage.tables.binaries import files_after, list_files

pytestmark = pytest.mark.real

ROW = 7
NESTED = ["a", "b-d", "b.x", "b/c", "b/z", "b0", "c-", "c/d.e", "c/d/e", "é/x", "z 1", "z#", "z%2F"]
"""Names that engines with folders list in another order than they sort in."""


def fill(store: ObjectStore, table: Name, names: list[str]) -> None:
    put = partial(obstore.put, store)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: put(raw_binary_key(table, ROW, name), name.encode()), names))


@contextmanager
def counted(engine: SeaweedEngine) -> Iterator[tuple[ObjectStore, list[str]]]:
    """The bucket, and the requests that reach the engine."""
    asked: list[str] = []

    def note(exchange: Exchange) -> tuple[int, bytes]:
        asked.append(f"{exchange.method} {exchange.path}")
        return exchange.status, exchange.answer

    with spoiled(engine.credentials.endpoint, note) as endpoint:
        yield open_store(msgspec.structs.replace(engine.credentials, endpoint=endpoint)), asked


def test_a_page_lists_no_more_than_a_page(engine: SeaweedEngine, space: str) -> None:
    table = Name(space, Kind.TABLES, "runs")
    names = [f"{number:05}.png" for number in range(2_300)]
    fill(engine.store, table, names)
    with counted(engine) as (store, asked):
        for limit, requests in ((1, 1), (10, 1), (1_001, 2)):
            asked.clear()
            found = list(islice(files_after(store, table, ROW, names[700]), limit))
            assert found == [(name, 9) for name in names[701 : 701 + limit]]
            assert len(asked) == requests, asked
        asked.clear()
        assert list(files_after(store, table, ROW)) == [(name, 9) for name in names]
        assert len(asked) == 3
        assert list(files_after(store, table, ROW, names[-1])) == []


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_pages_are_disjoint_and_whole_with_folders_too(
    engine: SeaweedEngine, space: str, limit: int
) -> None:
    table = Name(space, Kind.TABLES, "runs")
    fill(engine.store, table, NESTED)
    fill(engine.store, Name(space, Kind.TABLES, "runs2"), ["no"])
    found: list[str] = []
    after = None
    while page := list(islice(files_after(engine.store, table, ROW, after), limit)):
        found += [name for name, _ in page]
        after = found[-1]
    assert len(found) == len(NESTED)
    assert sorted(found) == sorted(NESTED)


def test_in_a_directory(tmp_path: Path) -> None:
    table, store = Name("lab", Kind.TABLES, "runs"), LocalStore(tmp_path)
    fill(store, table, NESTED)
    assert list(files_after(store, table, ROW)) == list_files(store, table, ROW)
    assert [name for name, _ in files_after(store, table, ROW, "b/c")] == sorted(NESTED)[4:]


@pytest.mark.parametrize("after", ["..", "a//b", "\x00"])
def test_what_no_file_is_called_is_refused(engine: SeaweedEngine, space: str, after: str) -> None:
    with pytest.raises(InvalidInputError, match="No binary is called"):
        list(files_after(engine.store, Name(space, Kind.TABLES, "runs"), ROW, after))
