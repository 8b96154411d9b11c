"""What every record of decisions does, whatever it is kept in."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from klarity_storage.errors import InvalidInputError, UnavailableError
from klarity_storage.server.audit.files import AuditFiles
from klarity_storage.server.audit.sink import Audience, AuditEvent, AuditQuery, AuditSink
from klarity_storage.server.audit.table import AuditTable
from klarity_storage.server.db.engine import Database
from klarity_storage.server.db.migrate import open_database
from klarity_storage.server.settings.sections import DatabaseSettings

START = datetime(2026, 3, 1, 22, tzinfo=UTC)

OpenSink = Callable[..., AuditSink]


@pytest.fixture(params=["files", "sqlite", "postgresql"])
def open_sink(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenSink]:
    """Open the same record, again and again, as several servers do: ``open_sink(days=3)``."""
    opened: list[AuditSink] = []
    databases: list[Database] = []
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").create()

    def open_one(days: int | None = None) -> AuditSink:
        if request.param == "files":
            opened.append(AuditFiles(tmp_path / "audit", days))
        else:
            databases.append(open_database(tmp_path, DatabaseSettings(url=url, connections=5)))
            opened.append(AuditTable(databases[-1], days))
        return opened[-1]

    yield open_one
    for sink in opened:
        sink.close()
    for database in databases:
        database.close()


@pytest.fixture
def sink(open_sink: OpenSink) -> AuditSink:
    return open_sink()


def event(number: int = 0, **said: object) -> AuditEvent:
    """An event of each hour; every third one of the next user."""
    values: dict[str, object] = {
        "at": START + timedelta(hours=number),
        "request_id": f"request-{number}",
        "principal": f"user:u{number % 3}",
        "token_id": "token_1",
        "remote": "192.0.2.7",
        "operation": "get_space",
        "action": "list",
        "target": "vision",
        "scope": "vision",
        "about": "",
        "allowed": True,
        "via": "grant_1",
        "grant_version": "0123456789ab",
        "reason": "granted as reader",
    }
    return AuditEvent(**(values | said))  # type: ignore[arg-type]


def numbers(events: list[AuditEvent]) -> list[int]:
    return [int(each.request_id.removeprefix("request-")) for each in events]


def found(sink: AuditSink, limit: int = 1000, **query: object) -> list[int]:
    return numbers(sink.read(AuditQuery(**query), limit=limit).items)  # type: ignore[arg-type]


def test_an_event_comes_back_as_it_went(sink: AuditSink) -> None:
    told = event(about="two\nlines \x1b[2J \x9b 猫 \udcff".encode("utf-8", "replace").decode())
    sink.write(told)
    assert sink.read(AuditQuery(), limit=10).items == [told]


def test_nothing_was_recorded_yet(sink: AuditSink) -> None:
    page = sink.read(AuditQuery(), limit=10)
    assert (page.items, page.next) == ([], None)


@pytest.mark.parametrize("oldest_first", [False, True])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_pages_hold_every_event_once_in_order(
    sink: AuditSink, size: int, oldest_first: bool
) -> None:
    for number in range(60):
        sink.write(event(number))
    query = AuditQuery(who="user:u1", oldest_first=oldest_first)
    seen: list[int] = []
    cursor = None
    while True:
        page = sink.read(query, limit=size, cursor=cursor)
        assert len(page.items) <= size
        seen += numbers(page.items)
        if (cursor := page.next) is None:
            break
        sink.write(event(1000, principal="user:u2"))  # what comes meanwhile disturbs nothing
    expected = [number for number in range(60) if number % 3 == 1]
    assert seen == (expected if oldest_first else expected[::-1])


def test_each_part_of_a_query_narrows(sink: AuditSink) -> None:
    sink.write(event(0))
    sink.write(event(1, allowed=False, via=None, grant_version=None))
    sink.write(event(2, operation="set_tag", target="vision/datasets/cats"))
    sink.write(event(30, target="grant:grant_7", scope="vision/datasets"))
    assert found(sink, who="user:u1") == [1]
    assert found(sink, allowed=False) == [1]
    assert found(sink, operation="set_tag") == [2]
    assert found(sink, request="request-30") == [30]
    assert found(sink, request="request-3") == []
    assert found(sink, since=START + timedelta(hours=1)) == [30, 2, 1]
    assert found(sink, until=START + timedelta(hours=2)) == [1, 0]
    east = datetime.fromisoformat("2026-03-02T01:00:00+02:00")
    assert found(sink, since=east, until=START + timedelta(hours=3)) == [2, 1]
    assert found(sink, who="user:u0", allowed=False) == []
    assert found(sink, who="user:u") == []


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("vision", [0, 1, 2, 5]),
        ("vision/", [0, 1, 2, 5]),
        ("vision/datasets", [1, 2, 5]),
        ("vision/datasets/cats", [1]),
        ("vision/datasets/cat*", [1, 2]),
        ("vision/datasets/cats?", [2]),
        ("*/datasets/*", [1, 2, 3]),
        ("grant:*", [5]),
        ("VISION", []),
        ("visio_", []),
        ("%", []),
        ("vision2", [4]),
        ("*a*s*", [1, 2, 3, 5]),
        ("v*d*cats", [1]),
        ("*a" * 40 + "!", []),
    ],
)
def test_what_it_was_about(sink: AuditSink, what: str, expected: list[int]) -> None:
    targets = [
        "vision",
        "vision/datasets/cats",
        "vision/datasets/cats2",
        "audio/datasets/cats",
        "vision2/models/net",
    ]
    for number, target in enumerate(targets):
        sink.write(event(number, target=target, scope=target))
    sink.write(event(5, target="grant:grant_7", scope="vision/datasets"))
    assert sorted(found(sink, what=what)) == expected


def test_who_asks_sees_what_is_kept(sink: AuditSink) -> None:
    for number in range(12):
        sink.write(event(number, scope="audio" if number % 2 else "vision"))
    page = sink.read(
        AuditQuery(),
        limit=100,
        keep=lambda each: each.scope == "audio" or each.principal == "user:u0",
        audience=Audience("user:u0", frozenset({"audio"})),
    )
    assert sorted(numbers(page.items)) == [0, 1, 3, 5, 6, 7, 9, 11]


@pytest.mark.parametrize("cursor", ["", "x", "2026-13-01.0", "-1", "9" * 40, "2026-03-01.7"])
def test_a_cursor_of_elsewhere_is_refused(sink: AuditSink, cursor: str) -> None:
    sink.write(event())
    with pytest.raises(InvalidInputError, match="cursor"):
        sink.read(AuditQuery(), limit=10, cursor=cursor)


def test_what_many_write_at_once_is_all_there(open_sink: OpenSink) -> None:
    sinks = [open_sink(), open_sink()]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: sinks[n % 2].write(event(n, at=START)), range(200)))
    assert sorted(found(sinks[0])) == list(range(200))


def test_by_default_nothing_is_dropped(open_sink: OpenSink) -> None:
    for day in range(0, 4000, 400):
        open_sink().write(event(day * 24))
    assert len(found(open_sink())) == 10


def test_what_cannot_be_recorded_is_told(open_sink: OpenSink, tmp_path: Path) -> None:
    sink = open_sink()
    sink.write(event())
    if isinstance(sink, AuditTable):
        with sink._database.write() as connection:
            connection.execute(text("DROP TABLE audit"))
    else:
        sink.close()
        shutil.rmtree(tmp_path / "audit")
        (tmp_path / "audit").write_text("in the way")
    with pytest.raises((UnavailableError, DBAPIError)):
        sink.write(event())


def test_days_are_dropped_whole_and_that_is_recorded(open_sink: OpenSink) -> None:
    for hour in range(0, 5 * 24, 12):
        open_sink().write(event(hour))
    limited = open_sink(days=2)
    limited.write(event(5 * 24))
    kept = limited.read(AuditQuery(), limit=100).items
    [dropped] = [each for each in kept if each.operation == "drop_audit"]
    assert dropped.principal == "server"
    assert "2026-03-01 to 2026-03-03" in dropped.about
    days = sorted({each.at.date().isoformat() for each in kept})
    assert days == ["2026-03-04", "2026-03-05", "2026-03-06"]
    limited.write(event(5 * 24 + 1))
    assert [each.operation for each in limited.read(AuditQuery(), limit=100).items].count(
        "drop_audit"
    ) == 1
