"""What whoever runs a server does to it where its data are, whether it runs or not."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from klarity_storage.errors import NotFoundError
from klarity_storage.server.audit.files import AuditFiles
from klarity_storage.server.audit.sink import AuditEvent, AuditSink
from klarity_storage.server.backup.restore import restore
from klarity_storage.server.backup.save import Summary, back_up
from klarity_storage.server.catalog.secret import new_id
from klarity_storage.server.db.engine import Database
from klarity_storage.server.db.migrate import FILE, connect_database
from klarity_storage.server.lock import locked_data
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
    if settings.database.url is None and not (settings.data / FILE).exists():
        raise NotFoundError(
            f"There is no control database in {settings.data}.",
            hint="Name the directory that ks serve has with --data.",
        )
    with _database(settings) as database:
        note(settings, "back_up", "read", f"the control database to {file}")
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
        note(settings, "restore", "own", f"the control database from {file}, of {done.at:%F %T}Z")
        return done


def note(settings: Settings, operation: str, action: str, about: str) -> None:
    """Leave a line in the audit log.

    Who may read the data directory may do all that is done here: there is nothing to decide.
    """
    sink: AuditSink = AuditFiles(settings.data / "audit", settings.audit.days)
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
