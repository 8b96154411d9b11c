"""The data directory: made, tried, and locked for one server."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from klarity_storage.errors import ConfigurationError, ConflictError, StorageFullError

LOCK: Final = "server.lock"
_TRIAL_BYTES: Final = 64 * 1024
"""More than fits into a directory entry, so that a full disk shows."""


@contextmanager
def locked_data(data: Path) -> Iterator[None]:
    """Hold the data directory as long as the context lasts; made with mode 0700 when missing.

    Raises:
        ConfigurationError: it is not a directory, or the server may not write there.
        StorageFullError: its disk is full or read-only.
        ConflictError: another server holds it.
    """
    with _readable_faults(data):
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(data / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(descriptor, data)
        with _readable_faults(data):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            _try_to_write(data)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, data: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.pread(descriptor, 32, 0).decode() or "unknown"
        raise ConflictError(
            f"The data directory {data} is in use by another server, process {pid}.",
            hint="Stop that server, or give this one another directory with --data.",
        ) from None


def _try_to_write(data: Path) -> None:
    """Write and remove a little, or the database would be the first to find out."""
    trial = data / f".trial-{secrets.token_hex(4)}"
    try:
        with trial.open("xb") as file:
            file.write(bytes(_TRIAL_BYTES))
            file.flush()
            os.fsync(file.fileno())
    finally:
        trial.unlink(missing_ok=True)


@contextmanager
def _readable_faults(data: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageFullError(
                f"There is no room left on the disk of the data directory {data}.",
                hint="Free some space, or give the server another directory with --data.",
            ) from error
        if error.errno == errno.EROFS:
            raise StorageFullError(
                f"The data directory {data} lies on a disk that is read-only.",
                hint="Mount it writable, or give the server another directory with --data.",
            ) from error
        if error.errno in {errno.EEXIST, errno.ENOTDIR}:
            raise ConfigurationError(f"{data} is not a directory.") from error
        raise ConfigurationError(
            f"The server cannot write to its data directory {data}: {error.strerror}.",
            hint="Give it to the user that runs the server, or choose another with --data.",
        ) from error
