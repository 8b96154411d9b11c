from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from klarity_storage.errors import StorageFullError
from klarity_storage.server.audit.files import AuditFiles
from klarity_storage.server.audit.sink import AuditEvent
from waiting import until

DAY = datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)


def event(at: datetime = DAY, about: str = "") -> AuditEvent:
    return AuditEvent(
        at=at,
        request_id="r",
        principal="user:bob",
        token_id=None,
        operation="get_space",
        action="list",
        target="vision",
        about=about,
        allowed=True,
        via="grant_1",
        reason="granted as reader",
    )


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_each_day_has_its_file(tmp_path: Path) -> None:
    audit = AuditFiles(tmp_path / "audit")
    audit.write(event())
    audit.write(event(DAY.replace(month=4)))
    audit.write(event())
    audit.close()
    found = {file.name: len(lines(file)) for file in (tmp_path / "audit").iterdir()}
    assert found == {"2026-03-01.jsonl": 2, "2026-04-01.jsonl": 1}


def test_lines_of_many_threads_are_whole(tmp_path: Path) -> None:
    audit = AuditFiles(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: audit.write(event(about=f"{n}" * 500)), range(400)))
    audit.close()
    found = lines(tmp_path / "2026-03-01.jsonl")
    assert {line["about"] for line in found} == {f"{n}" * 500 for n in range(400)}


def test_a_torn_line_tears_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "2026-03-01.jsonl"
    file.write_bytes(b'{"at": "2026-03-01T')
    audit = AuditFiles(tmp_path)
    audit.write(event())
    audit.close()
    torn, whole = file.read_text().splitlines()
    assert torn == '{"at": "2026-03-01T'
    assert json.loads(whole)["target"] == "vision"


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = AuditFiles(tmp_path)
    audit.write(event())
    write = os.write
    # a disk that has room for ten bytes more: what write(2) does then
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:10]))
    with pytest.raises(StorageFullError, match="No space left"):
        audit.write(event())
    monkeypatch.undo()
    audit.write(event())
    audit.close()
    assert len(lines(tmp_path / "2026-03-01.jsonl")) == 2


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("in the way")
    with pytest.raises(StorageFullError, match="audit log cannot be written"):
        AuditFiles(tmp_path / "audit").write(event())


def test_killed_in_mid_work_every_line_is_whole(tmp_path: Path) -> None:
    program = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path;"
        "from klarity_storage.server.audit.files import AuditFiles;"
        "from klarity_storage.server.audit.sink import AuditEvent;"
        "audit = AuditFiles(Path(sys.argv[1]));"
        "event = AuditEvent(at=datetime(2026, 3, 1, tzinfo=UTC), request_id='r', principal='p',"
        " token_id=None, operation='o', action='read', target='t', about='x' * 2000,"
        " allowed=True, via=None, reason='why')\n"
        "while True: audit.write(event)"
    )
    file = tmp_path / "2026-03-01.jsonl"
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) as writer:
        until(lambda: file.exists() and file.stat().st_size > 1_000_000)
        writer.send_signal(signal.SIGKILL)
    assert file.read_bytes().endswith(b"\n")
    assert all(line["about"] == "x" * 2000 for line in lines(file))
