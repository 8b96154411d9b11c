from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError as ConstraintError

from control_fixture import Control, MemoryEngine, running_control
from klarity_storage.server.db import schema
from klarity_storage.server.operator import back_up_server, restore_server
from klarity_storage.server.settings.sections import Settings

Old = tuple[Settings, Control]


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_it_leaves_lines_in_the_audit_log(old: Old, new_server: Any, tmp_path: Path) -> None:
    settings, control = old
    back_up_server(settings, tmp_path / "backup")
    line = control.audit()[-1]
    assert (line["operation"], line["principal"], line["via"]) == ("back_up", "server", "operator")
    assert str(tmp_path / "backup") in line["about"]
    new = new_server("sqlite", "new")
    restore_server(new, tmp_path / "backup")
    [file] = (new.data / "audit").iterdir()
    assert msgspec.json.decode(file.read_bytes())["operation"] == "restore"


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
def test_a_record_in_the_database_comes_back_and_goes_on(
    old: Old, new_server: Any, tmp_path: Path, memory_engine: MemoryEngine
) -> None:
    settings, control = old
    told = control.audit()
    back_up_server(settings, tmp_path / "backup")
    new = new_server("postgresql", "new")
    for _ in range(2):
        restore_server(new, tmp_path / "backup", replace=True)
    with running_control(new.data, memory_engine, new.database.url) as again:
        lines = again.audit()
        assert [line["operation"] for line in lines[len(told) :]] == [
            "back_up",
            "restore",
            "restore",
        ]
        assert lines[: len(told)] == told
        with (
            pytest.raises(ConstraintError, match="append-only"),
            again.services.database.write() as connection,
        ):
            connection.execute(delete(schema.audit))


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
def test_what_was_decided_since_stays_on_record(
    old: Old, new_server: Any, tmp_path: Path, memory_engine: MemoryEngine
) -> None:
    settings, control = old
    back_up_server(settings, tmp_path / "backup")
    new = new_server("postgresql", "new")
    restore_server(new, tmp_path / "backup")
    told = control.audit()
    with running_control(new.data, memory_engine, new.database.url) as since:
        bearer = {"Authorization": f"Bearer {control.admin.token}"}
        since.http.get("/v1/spaces", headers=bearer | {"X-Request-Id": "since-the-backup"})
        before = since.audit()
    restore_server(new, tmp_path / "backup", replace=True)
    with running_control(new.data, memory_engine, new.database.url) as again:
        lines = again.audit()
        assert lines[:-1] == before
        assert lines[: len(told)] == told
        assert lines[-1]["operation"] == "restore"
        assert len(again.audit("since-the-backup")) == 1
