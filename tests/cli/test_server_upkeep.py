"""``ks admin`` on a server's machine."""

from __future__ import annotations

import shlex
from pathlib import Path

import msgspec
import pytest

import klarity_storage as ks
from cli.harness import Run, document
from klarity_storage.cli.admin import backup, reindex, restore
from klarity_storage.layout import Kind, Name
from klarity_storage.server.backup.save import Summary
from klarity_storage.server.engines.seaweed import SeaweedEngine
from klarity_storage.server.reindex import Report
from server_fixture import start_server

pytestmark = pytest.mark.real


def arguments(example: str) -> list[str]:
    return shlex.split(example)[1:]


def test_a_server_is_backed_up_and_made_again(run: Run, work: Path) -> None:
    data = work / "ks-data"
    process, address, token = start_server(data)
    try:
        with ks.connect(address, token=token) as storage:
            storage.create_space("vision")
        made = run(*arguments(backup.examples[0]))  # type: ignore[attr-defined]
        assert "Backed up into klarity.backup." in made.stderr
        assert "rows" in made.stdout
        assert token not in (work / "klarity.backup").read_bytes().decode("latin-1")
        running = run(
            "admin", "restore", "--data", str(data), "klarity.backup", "--replace", code=None
        )
        assert running.exit_code == ks.ConflictError.exit_code
        assert "in use by another server" in running.stderr
    finally:
        process.terminate()
        process.wait(30)
    again = run("admin", "backup", "--data", str(data), "klarity.backup", code=None)
    assert "add --replace" in again.stderr
    shown = document(
        run("admin", "backup", "--data", str(data), "klarity.backup", "--replace", "--json"),
        Summary,
    )
    assert shown.rows["spaces"] == 1
    run(*arguments(restore.examples[0]))  # type: ignore[attr-defined]
    full = run("admin", "restore", "--data", "new-data", "klarity.backup", code=None)
    assert full.exit_code == ks.AlreadyExistsError.exit_code
    assert "--replace" in full.stderr
    process, address, _ = start_server(work / "new-data")
    try:
        with ks.connect(address, token=token) as storage:
            assert [space.key for space in storage.get_spaces()] == ["vision"]
    finally:
        process.terminate()
        process.wait(30)


def test_what_is_derived_is_made_anew_while_the_server_runs_and_when_it_does_not(
    run: Run, work: Path
) -> None:
    data, name = work / "ks-data", Name("vision", Kind.DATASETS, "cats")
    (work / "big").write_bytes(bytes(range(256)) * 40_000)
    process, address, token = start_server(data)
    try:
        with ks.connect(address, token=token) as storage:
            storage.create_space("vision")
            version = storage.push(str(name), work / "big")
        key = name.chunks_key(version.hash, version.file("big").sha256)
        engine = SeaweedEngine(data)
        engine.attach()
        engine.store.delete(key)
        shown = run(*arguments(reindex.examples[0]))  # type: ignore[attr-defined]
        assert key in shown.stdout.replace("\n", "")
        assert "1 to be made anew, 0 lost" in shown.stderr
        assert "1 made anew" in run(*arguments(reindex.examples[1])).stderr  # type: ignore[attr-defined]
        assert "All is as it should be" in run("admin", "reindex", "--data", str(data)).stderr
        engine.store.put(name.manifest_key(version.hash, version.info.manifest), b"torn")
        with ks.connect(address, token=token) as storage:
            lines = list(storage.admin.get_audit(operation="reindex"))
        assert [line.principal for line in lines] == ["server"] * 3
    finally:
        process.terminate()
        process.wait(30)
    done = run("admin", "reindex", "--data", str(data), "--json", code=None)
    assert done.exit_code == ks.IntegrityError.exit_code
    report = msgspec.json.decode(done.stdout, type=Report)
    assert [(item.what, item.derived) for item in report.items] == [("manifest", False)]


def test_what_is_no_backup_is_told(run: Run, work: Path) -> None:
    (work / "x").write_text("something")
    refused = run("admin", "restore", "--data", "new", "x", "--json", code=None)
    assert refused.exit_code == ks.InvalidDataError.exit_code
    assert msgspec.json.decode(refused.stderr)["code"] == "invalid_data"
    absent = run("admin", "restore", "--data", "new", "absent", code=None)
    assert "There is no file or directory 'absent'" in absent.stderr
    nothing = run("admin", "backup", "--data", "nowhere", "x", code=None)
    assert "There is no control database in nowhere." in nothing.stderr
    assert not (work / "nowhere").exists()
