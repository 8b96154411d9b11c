"""What whoever runs a server does to it where its data are, whether it runs or not."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from klarity_storage.errors import ConflictError, NotFoundError
from klarity_storage.server.audit.sink import AuditEvent, AuditSink
from klarity_storage.server.backup.restore import restore
from klarity_storage.server.backup.save import Summary, back_up, check_filled
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.buckets.buckets import open_known
from klarity_storage.server.buckets.open import open_buckets
from klarity_storage.server.catalog.secret import new_id
from klarity_storage.server.db.engine import Database
from klarity_storage.server.db.migrate import FILE, check_current, connect_database
from klarity_storage.server.lock import locked_data
from klarity_storage.server.reindex import Report, reindex
from klarity_storage.server.services import open_audit
from klarity_storage.server.settings.sections import Settings

_ONE: Final = 1
"""Connection: an operator does one thing after the other."""


def back_up_server(settings: Settings, file: Path, *, replace: bool = False) -> Summary:
    """Write the control database into a file; the server may run.

    Raises:
        NotFoundError: there is none.
        AlreadyExistsError: the file is there, and not to be replaced.
        ConfigurationError: the settings are wrong, or a newer program has written the database.
        UnavailableError: it does not answer.
    """
    _check_there(settings)
    with _database(settings) as database:
        check_filled(database)
        note(open_audit(settings, database), "back_up", "read", f"the control database to {file}")
        return back_up(database, file, replace=replace)


def restore_server(settings: Settings, file: Path, *, replace: bool = False) -> Summary:
    """Make the control database again from a file; no server may run.

    Raises:
        AlreadyExistsError: the database holds something, which is not to be replaced.
        ConflictError: a server runs.
        ConfigurationError: the settings are wrong, or a newer program has written one of them.
        InvalidDataError: the file is no backup.
        IntegrityError: it is damaged.
        UnavailableError: the database does not answer.
    """
    with locked_data(settings.data), _database(settings) as database:
        done = restore(database, file, replace=replace)
        about = f"the control database from {file}, of {done.at:%F %T}Z"
        note(open_audit(settings, database), "restore", "own", about)
        return done


def reindex_server(settings: Settings, *, dry_run: bool = True, reread: bool = False) -> Report:
    """Make anew what follows from the buckets; the server may run.

    Raises:
        NotFoundError: there is no control database.
        ConfigurationError: the settings are wrong, or the database is of another version.
        UnavailableError: the engine or the database does not answer.
    """
    _check_there(settings)
    with _engine_or_its_servers(settings) as buckets, _database(settings) as database:
        check_current(database)
        how = ", only to find" if dry_run else ""
        note(open_audit(settings, database), "reindex", "own", f"what follows from the bucket{how}")
        return reindex(database, open_known(database, buckets), dry_run=dry_run, reread=reread)


def note(sink: AuditSink, operation: str, action: str, about: str) -> None:
    """Leave a line in the audit log, and close that.

    Who may read the data directory may do all that is done here: there is nothing to decide.
    """
    try:
        sink.write(
            AuditEvent(
                at=datetime.now(UTC),
                request_id=new_id("operator"),
                principal="server",
                token_id=None,
                operation=operation,
                action=action,
                target="server",
                about=f"{about}, by {_who()} on the server's machine",
                allowed=True,
                via="operator",
                reason="whoever has the data directory runs the server",
            )
        )
    finally:
        sink.close()


def _check_there(settings: Settings) -> None:
    if settings.database.url is None and not (settings.data / FILE).exists():
        raise NotFoundError(
            f"There is no control database in {settings.data}.",
            hint="Name the directory that ks serve has with --data.",
        )


@contextmanager
def _engine_or_its_servers(settings: Settings) -> Iterator[list[Bucket]]:
    """The buckets; an embedded engine is the server's if one runs, or started for this."""
    with ExitStack() as stack:
        running = False
        if settings.engine.kind == "seaweed":
            try:
                stack.enter_context(locked_data(settings.data))
            except ConflictError:
                running = True
        yield stack.enter_context(open_buckets(settings, running=running))


@contextmanager
def _database(settings: Settings) -> Iterator[Database]:
    few = msgspec.structs.replace(settings.database, connections=_ONE)
    database = connect_database(settings.data, few)
    try:
        yield database
    finally:
        database.close()


def _who() -> str:
    """The system's user, whatever the environment says."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"
