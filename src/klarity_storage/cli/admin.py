"""``ks admin``: what is done to a server where its data are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Group
from klarity_storage.cli._output import Column
from klarity_storage.cli._session import Session, pass_session

if TYPE_CHECKING:
    from klarity_storage.server.backup.save import Summary
    from klarity_storage.server.settings.sections import Settings

COLUMNS = (
    Column("name", whole=True),
    Column("what"),
    Column("problem"),
    Column("state", lambda item: "" if item.derived else "lost"),
    Column("key", whole=True),
)

F = TypeVar("F", bound=Callable[..., Any])


@click.group("admin", cls=Group)
def command() -> None:
    """Upkeep of a server, on its machine: backup, restore, reindex.

    These work on the data directory and the settings that `ks serve` has, with the rights of
    whoever may read them, and not over HTTP: a server that does not start can be mended.
    """


def _server(verb: F) -> F:
    """The options that say which server."""
    data = click.option(
        "--data",
        required=True,
        type=click.Path(path_type=Path, file_okay=False),
        help="The data directory of ks serve.",
    )
    config = click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Settings (klarity.toml in the data directory, if there).",
    )
    return data(config(verb))


_FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@command.command(
    "backup",
    server=True,
    examples=["ks admin backup --data ./ks-data klarity.backup"],
)
@_FILE
@_server
@click.option("--replace", is_flag=True, help="Write over FILE, if it is there.")
@pass_session
def backup(session: Session, file: Path, data: Path, config: Path | None, replace: bool) -> None:
    """Write the control database into FILE, while the server runs or not.

    It holds spaces, users, groups, hashes of tokens and grants as they are at one moment; what lies
    in the bucket, and the engine's keys, are not in it. FILE gets mode 0600.
    """
    from klarity_storage.server.operator import back_up_server

    done = back_up_server(_settings(data, config), file, replace=replace)
    _show(session, done, f"Backed up into {file}.")
    session.out.hint(f"ks admin restore --data NEW-DIRECTORY {file}")


@command.command(
    "restore",
    server=True,
    examples=["ks admin restore --data ./new-data klarity.backup"],
)
@_FILE
@_server
@click.option("--replace", is_flag=True, help="Drop what the database holds.")
@pass_session
def restore(session: Session, file: Path, data: Path, config: Path | None, replace: bool) -> None:
    """Make the control database from FILE; the server must be stopped.

    FILE may be of SQLite and the database a PostgreSQL, or the other way round: this is how a
    server goes from one to the other. All of it is there afterwards, or all is as it was.
    """
    from klarity_storage.server.operator import restore_server

    done = restore_server(_settings(data, config), file, replace=replace)
    _show(session, done, f"Restored from {file}.")
    session.out.hint(f"ks serve --data {data}")


@command.command(
    "reindex",
    server=True,
    examples=[
        "ks admin reindex --data ./ks-data --dry-run",
        "ks admin reindex --data ./ks-data",
    ],
)
@_server
@click.option("--dry-run", is_flag=True, help="Only list what would be made anew.")
@click.option("--reread", is_flag=True, help="Read large files, to compare their chunks too.")
@pass_session
def reindex(session: Session, data: Path, config: Path | None, dry_run: bool, reread: bool) -> None:
    """Make anew whatever follows from the bucket, while the server runs or not.

    These are the lists by which pushes find what is there already, and spaces that the database
    does not know. Logs, manifests and files are never touched; what of them is damaged is named.
    """
    from klarity_storage.errors import IntegrityError
    from klarity_storage.server.operator import reindex_server

    done = reindex_server(_settings(data, config), dry_run=dry_run, reread=reread)
    where = f"{_format.things(done.spaces, 'space')}, {_format.things(done.names, 'name')}"
    session.out.listing(
        done, COLUMNS, line=lambda item: item.key, empty=f"All is as it should be: {where}."
    )
    if done.items:
        made = "to be made anew" if dry_run else "made anew"
        session.out.say(f"{where}: {done.made} {made}, {done.lost} lost.")
    if done.lost:
        raise IntegrityError(
            f"{_format.things(done.lost, 'thing')} cannot be made anew.",
            hint="ks verify NAME reads what is left; push the same files again.",
        )


def _settings(data: Path, config: Path | None) -> Settings:
    from klarity_storage.server.settings.read import read_settings

    return read_settings(data, file=config, environment=os.environ)


def _show(session: Session, done: Summary, said: str) -> None:
    exact = not session.out.terminal
    facts = {
        "file": done.file,
        "of": _format.moment(done.at, exact),
        "revision": done.revision,
        "rows": _format.things(sum(done.rows.values()), "row"),
    }
    session.out.facts(done, facts, line=done.file)
    session.out.say(said)
