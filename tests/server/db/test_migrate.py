from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from klarity_storage.errors import ConfigurationError, StorageFullError, UnavailableError
from klarity_storage.server.db import migrate as migrations
from klarity_storage.server.db.engine import Database
from klarity_storage.server.db.migrate import (
    FILE,
    check_current,
    connect_database,
    migrate,
    open_database,
)
from klarity_storage.server.db.schema import metadata
from klarity_storage.server.rights.read import read_account, read_token
from klarity_storage.server.settings.sections import DatabaseSettings
from migrated import make_migrated
from postgres_fixture import Postgres

TRIGGERS = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name",
    "postgresql": "SELECT tgname, tgtype FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
    " WHERE relnamespace = current_schema::regnamespace AND NOT tgisinternal ORDER BY tgname",
}


def test_migrations_build_what_the_schema_says(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_migrations_name_their_constraints_as_the_schema_does(
    database: Database, tmp_path: Path, bare: DatabaseSettings
) -> None:
    """compare_metadata looks at tables, columns and indexes, and not at all of this."""
    (tmp_path / "bare").mkdir()
    created = connect_database(tmp_path / "bare", bare)
    with created.write() as connection:
        metadata.create_all(connection)
    with database.read() as built, created.read() as said:
        for table in metadata.tables:
            for ask in ("get_pk_constraint", "get_foreign_keys", "get_unique_constraints"):
                assert getattr(inspect(built), ask)(table) == getattr(inspect(said), ask)(table)
    created.close()


def test_what_tests_start_from_is_what_the_migrations_build(
    database: Database, tmp_path: Path, bare: DatabaseSettings, request: pytest.FixtureRequest
) -> None:
    (tmp_path / "copied").mkdir()
    if bare.url is not None:  # the first one of a session is migrated, and listened to
        make_migrated(tmp_path, request.getfixturevalue("postgres").create())
    make_migrated(tmp_path / "copied", bare.url)
    copied = connect_database(tmp_path / "copied", bare)
    check_current(copied)
    with database.read() as migrated, copied.read() as found:
        context = MigrationContext.configure(found, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        for ask in (TRIGGERS[database.kind], "SELECT * FROM generations"):
            said = migrated.execute(text(ask)).all()
            assert said
            assert found.execute(text(ask)).all() == said
    copied.close()


@pytest.fixture
def bare(request: pytest.FixtureRequest, settings: DatabaseSettings) -> DatabaseSettings:
    """Another empty database of the same kind."""
    if settings.url is None:
        return DatabaseSettings()
    return DatabaseSettings(url=request.getfixturevalue("postgres").create())


def test_a_second_start_changes_nothing(
    database: Database, tmp_path: Path, settings: DatabaseSettings
) -> None:
    again = open_database(tmp_path, settings)
    assert again.check() is None
    again.close()


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    open_database(tmp_path).close()
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_what_the_first_program_wrote_is_kept(tmp_path: Path, settings: DatabaseSettings) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent / "migrations"))
    database = connect_database(tmp_path, settings)
    moment = "2026-01-01 00:00:00.000000"
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for table, row in (
            ("users", f"'bob', 'Bob', true, '{moment}', null"),
            ("tokens", f"'token_1', 'bob', '', 'hash', '{moment}', null, null, null"),
        ):
            connection.execute(text(f"INSERT INTO {table} VALUES ({row})"))
    database.close()
    database = open_database(tmp_path, settings)
    with database.read() as connection:
        bob = read_account(connection, "bob")
        token = read_token(connection, metadata.tables["tokens"].c.hash == "hash")
    assert bob is not None
    assert token is not None
    assert (bob.administrator, bob.service, bob.space, bob.groups) == (True, False, None, ())
    assert (token.actor.principal, token.actor.scopes) == ("user:bob", ())
    database.close()


def test_servers_that_start_at_once_migrate_once(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.create()
    start = (
        "import os, sys, pathlib\n"
        "from klarity_storage.server.db.migrate import open_database\n"
        "from klarity_storage.server.settings.sections import DatabaseSettings\n"
        "sys.stdin.read()\n"
        "open_database(pathlib.Path('.'), DatabaseSettings(url=os.environ['URL'])).close()\n"
    )
    starting = [
        subprocess.Popen(
            [sys.executable, "-c", start],
            stdin=subprocess.PIPE,
            cwd=tmp_path,
            env=os.environ | {"URL": url},
        )
        for _ in range(4)
    ]
    for process in starting:
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait(60) for process in starting] == [0, 0, 0, 0]
    database = connect_database(tmp_path, DatabaseSettings(url=url))
    assert database.check() is None
    database.close()


def test_a_newer_database_is_refused(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match=r"revision 9999, which is newer") as refusal:
        migrate(database)
    assert "the version of klarity-storage that wrote it" in str(refusal.value.hint)


def test_a_migration_that_fails_leaves_nothing(
    tmp_path: Path, bare: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alembic import op

    def fail(*args: object, **more: object) -> None:
        raise RuntimeError(f"killed at {args} {more}")

    with monkeypatch.context() as patched:
        patched.setattr(op, "create_index", fail)
        with pytest.raises(RuntimeError, match="killed"):
            open_database(tmp_path, bare)
    database = connect_database(tmp_path, bare)
    with database.read() as connection:
        assert inspect(connection).get_table_names() == []
    database.close()
    open_database(tmp_path, bare).close()


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"not a database, and long enough to be looked at" * 100)
    with pytest.raises(UnavailableError, match="damaged") as refusal:
        open_database(tmp_path)
    assert "backup" in str(refusal.value.hint)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="cannot be made: No such file"):
        open_database(tmp_path / "absent")


def test_a_disk_without_room_is_told(tmp_path: Path) -> None:
    # /dev/full takes no byte: what a full disk does to a file
    (tmp_path / FILE).symlink_to("/dev/full")
    with pytest.raises((StorageFullError, UnavailableError)):
        open_database(tmp_path)


def test_the_migrations_are_in_the_wheel(tmp_path: Path) -> None:
    import zipfile

    root = Path(__file__).parents[3]
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=root,
        check=True,
        capture_output=True,
    )
    [wheel] = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    folder = "klarity_storage/server/db/migrations"
    assert f"{folder}/env.py" in names
    versions = {name for name in names if name.startswith(f"{folder}/versions/")}
    source = root / "src" / folder / "versions"
    assert versions == {f"{folder}/versions/{file.name}" for file in source.glob("*.py")}
