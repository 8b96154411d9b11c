"""What only the table of the database does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, delete, event, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from klarity_storage.errors import UnavailableError
from klarity_storage.server.audit.sink import AuditEvent, AuditQuery
from klarity_storage.server.audit.table import AuditTable
from klarity_storage.server.db import schema
from klarity_storage.server.db.engine import Database
from klarity_storage.server.db.migrate import open_database
from klarity_storage.server.settings.sections import DatabaseSettings
from waiting import until

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path, database_url: str | None) -> Iterator[Database]:
    opened = open_database(tmp_path, DatabaseSettings(url=database_url, connections=5))
    yield opened
    opened.close()


def decision(about: str = "", at: datetime = AT) -> AuditEvent:
    return AuditEvent(
        at=at,
        request_id="request-1",
        principal="user:bob",
        token_id=None,
        operation="get_space",
        action="list",
        target="vision",
        scope="vision",
        about=about,
        allowed=True,
        via=None,
        reason="granted as reader",
    )


def abouts(audit: AuditTable) -> list[str]:
    return [each.about for each in audit.read(AuditQuery(), limit=1000).items]


@pytest.mark.parametrize(
    "change",
    [
        update(schema.audit).values(principal="user:eve"),
        delete(schema.audit),
        delete(schema.audit).where(schema.audit.c.day >= "2026-03-01"),
    ],
)
def test_the_database_refuses_to_change_what_was_recorded(database: Database, change: Any) -> None:
    audit = AuditTable(database)
    audit.write(decision("first"))
    with pytest.raises(IntegrityError, match="append-only"), database.write() as connection:
        connection.execute(change)
    assert abouts(audit) == ["first"]


def test_it_refuses_to_empty_the_table(database: Database) -> None:
    audit = AuditTable(database)
    audit.write(decision("first"))
    if database.kind == "postgresql":
        with pytest.raises(DBAPIError, match="append-only"), database.write() as connection:
            connection.execute(text("TRUNCATE audit"))
    assert abouts(audit) == ["first"]


def test_only_days_that_were_dropped_can_be_deleted(database: Database) -> None:
    audit = AuditTable(database)
    audit.write(decision("old", AT.replace(day=1)))
    audit.write(decision("new", AT.replace(day=2)))
    with database.write() as connection:
        connection.execute(schema.audit_drops.insert().values(before="2026-03-02"))
    with pytest.raises(IntegrityError), database.write() as connection:
        connection.execute(delete(schema.audit))
    with database.write() as connection:
        connection.execute(delete(schema.audit).where(schema.audit.c.day < "2026-03-02"))
    assert abouts(audit) == ["new"]


def test_events_of_requests_at_once_share_a_transaction(database: Database) -> None:
    audit = AuditTable(database)
    commits: list[int] = []
    engine: Engine = database._engine
    event.listen(engine, "commit", lambda connection: commits.append(1))
    everybody = threading.Barrier(20)

    def write(number: int) -> None:
        everybody.wait(30)
        audit.write(decision(str(number)))

    with ThreadPoolExecutor(20) as pool:
        with database.write():  # whoever is first waits for this, and the others behind
            writing = [pool.submit(write, number) for number in range(20)]
            until(lambda: len(audit._waiting) >= 10)
        for each in writing:
            each.result()
    assert len(commits) <= 12
    assert sorted(abouts(audit)) == sorted(map(str, range(20)))


def test_a_failure_reaches_each_of_those_who_waited(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = AuditTable(database)

    def fail(patience: float = 0) -> Connection:
        raise UnavailableError("The control database does not answer.", hint="Try again.")

    monkeypatch.setattr(database, "write", fail)
    with ThreadPoolExecutor(4) as pool:
        for each in [pool.submit(audit.write, decision()) for _ in range(4)]:
            with pytest.raises(UnavailableError, match="cannot be recorded"):
                each.result()
    monkeypatch.undo()
    audit.write(decision("again"))
    assert abouts(audit) == ["again"]


def test_text_that_a_database_cannot_keep(database: Database) -> None:
    audit = AuditTable(database)
    audit.write(decision("a\0b \udcff"))
    assert abouts(audit) == ["a\N{REPLACEMENT CHARACTER}b ?"]
