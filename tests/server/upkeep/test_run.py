from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from control_fixture import Control, MemoryEngine, running_control
from klarity_storage.errors import UnavailableError
from klarity_storage.server.db import schema
from klarity_storage.server.services import Services
from klarity_storage.server.upkeep import run
from klarity_storage.server.upkeep.count import LIMITED
from klarity_storage.server.upkeep.leases import LASTING, Lease


def age(control: Control, **values: datetime | None) -> None:
    with control.services.database.write() as connection:
        connection.execute(update(schema.usage).values(values))


def run_out(control: Control) -> None:
    past = {"until": datetime.now(UTC) - timedelta(seconds=1)}
    with control.services.database.write() as connection:
        connection.execute(update(schema.leases).values(past))


def test_one_of_several_has_a_lease_until_it_runs_out(control: Control) -> None:
    database = control.services.database
    first, second = Lease(database, "move"), Lease(database, "move")
    assert first.take()
    assert first.take(), "again"
    assert not second.take()
    assert Lease(database, "other").take()
    run_out(control)
    assert second.take()
    assert not first.take()
    first.give_back()
    assert not first.take(), "what is not one's own is not given back"
    second.give_back()
    assert first.take()
    assert timedelta(minutes=5) > LASTING


def test_two_servers_on_one_database_do_not_do_it_both(
    control: Control,
    memory_engine: MemoryEngine,
    database_url: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    did: list[str] = []

    def job(services: Services, go_on: Callable[[], bool]) -> None:
        did.append("first")
        with running_control(control.data, memory_engine, database_url) as other:
            run.do_round(other.services, Lease(other.services.database, "upkeep"))

    monkeypatch.setattr(run, "JOBS", (job,))
    run.do_round(control.services, Lease(control.services.database, "upkeep"))
    assert did == ["first"]


def test_a_job_that_fails_does_not_stop_the_others(
    control: Control, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    did: list[str] = []

    def broken(services: Services, go_on: Callable[[], bool]) -> None:
        raise KeyError("a defect")

    def silent(services: Services, go_on: Callable[[], bool]) -> None:
        raise UnavailableError("The engine does not answer.")

    def last(services: Services, go_on: Callable[[], bool]) -> None:
        did.append("last")

    monkeypatch.setattr(run, "JOBS", (broken, silent, last))
    with caplog.at_level(logging.WARNING):
        run.do_round(control.services, Lease(control.services.database, "upkeep"))
    assert did == ["last"]
    assert "broken failed" in caplog.text
    assert "silent is tried again: The engine does not answer." in caplog.text


def test_a_server_that_stops_begins_nothing_more(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    did: list[str] = []
    stopping = threading.Event()

    def first(services: Services, go_on: Callable[[], bool]) -> None:
        did.append("first")
        stopping.set()
        assert not go_on()

    monkeypatch.setattr(run, "JOBS", (first, first))
    run.do_round(control.services, Lease(control.services.database, "upkeep"), stopping)
    assert did == ["first"]


def test_spaces_are_counted_where_others_may_have_written(
    control: Control, memory_engine: MemoryEngine
) -> None:
    lease = Lease(control.services.database, "upkeep")
    for key in ("still", "quota", "plain", "never"):
        control.space(key)
        memory_engine.store.put(f"{key}/tables/runs/x", b"x" * 10)
    control.admin.ok("PUT", "/v1/spaces/quota/quota", {"bytes": 1000})
    old = datetime.now(UTC) - 2 * LIMITED
    age(control, counted_at=old)
    with control.services.database.write() as connection:
        keys = schema.spaces.c.key
        written = update(schema.spaces).where(keys != "still")
        connection.execute(written.values(written_until=datetime.now(UTC)))
        never = update(schema.usage).where(schema.usage.c.space == "never")
        connection.execute(never.values(counted_at=None))
    run.do_round(control.services, lease)
    found = {
        key: control.admin.ok("GET", f"/v1/spaces/{key}")["usage"]["bytes"]
        for key in ("still", "quota", "plain", "never")
    }
    assert found == {"still": 0, "quota": 10, "plain": 0, "never": 10}
    age(control, counted_at=datetime.now(UTC) - timedelta(days=2))
    run.do_round(control.services, lease)
    assert control.admin.ok("GET", "/v1/spaces/plain")["usage"]["bytes"] == 10
    assert control.admin.ok("GET", "/v1/spaces/still")["usage"]["bytes"] == 0


def test_a_space_from_before_is_counted_before_it_is_limited(
    tmp_path: Path, memory_engine: MemoryEngine
) -> None:
    with running_control(tmp_path / "data", memory_engine) as control:
        control.space("old")
        memory_engine.store.put("old/datasets/cats/x", b"x" * 10)
        age(control, counted_at=None)
        control.admin.ok("PUT", "/v1/spaces/old/quota", {"bytes": 5})
        body = {"scope": "old/tables/runs", "operation": "write"}
        problem = control.admin.fails(403, "POST", "/v1/credentials", body)
        assert "10 bytes of 5 bytes are used" in problem["detail"]
