"""Tables on this disk: mirrors, which all projects share, and the sandboxes of each.

``tables/<digest of place and name>/versions/<n>/`` is version n of a table, whole and read-only;
``users/`` beside it names the ``.safenai`` files that ask for the mirror, and what they pin.
``sandboxes/<digest>/`` belongs to one such file, and is never taken away unless asked for.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from klarity_storage.cache.folder import cache_folder
from klarity_storage.cache.lease import unused, use

MIRRORS: Final = "tables"
SANDBOXES: Final = "sandboxes"
REDIRECTS: Final = "redirects"


class User(msgspec.Struct, frozen=True):
    """A ``.safenai`` file that asks for a mirror."""

    file: str
    version: int | None = None
    """Pinned; the newest without it."""
    table: str = ""
    """Of which table it is."""


def mirror_folder(location: str, table: str) -> Path:
    """Where the mirrors of a server's table lie."""
    return cache_folder() / MIRRORS / _digest(location, table)


def sandbox_folder(location: str, table: str, file: Path) -> Path:
    """Where the sandbox lies that a ``.safenai`` file declares."""
    return cache_folder() / SANDBOXES / _digest(location, table, str(file))


@contextmanager
def sandbox_lock(folder: Path, *, alone: bool) -> Iterator[None]:
    """While the block runs a sandbox stays the one that it is: it waits for those who disagree.

    Args:
        folder: the sandbox's, which need not be there.
        alone: to replace it or to take it away; without it, to write into it, with others.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder.with_name(f"{folder.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with contextlib.suppress(OSError):  # a disk that knows no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def sandbox_folders() -> list[Path]:
    """The sandboxes of all projects."""
    return sorted(file.parent for file in (cache_folder() / SANDBOXES).glob("*/table"))


def redirect_folder(*stamp: object) -> Path:
    """Where a file lies as a table, as long as it looks the same."""
    return cache_folder() / REDIRECTS / _digest(*map(str, stamp))


def mirrored(folder: Path, version: int | None = None) -> tuple[int, Path] | None:
    """A mirrored version, or the newest, and its folder, which stays while this process lives."""
    while True:
        found = version if version is not None else max(versions_of(folder), default=None)
        if found is None:
            return None
        place = folder / "versions" / str(found)
        if use(place):
            return found, place
        if version is not None:
            return None  # else it was superseded just now


def known_folders(folder: Path) -> list[Path]:
    """The mirrored versions, newest first: a new one takes from them what it shares."""
    return [folder / "versions" / str(v) for v in sorted(versions_of(folder), reverse=True)]


@contextmanager
def under_way() -> Iterator[Path]:
    """A new folder on the disk of the cache; what is left in it at the end is thrown away."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="partial-", dir=cache_folder()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(partial: Path, final: Path) -> None:
    """Give a folder that is whole its place, in one step; one that stands there stays."""
    final.parent.mkdir(parents=True, exist_ok=True)
    try:
        partial.rename(final)
    except OSError:
        if not final.is_dir():
            raise  # otherwise another process has put the same content there first


def note_user(folder: Path, user: User) -> None:
    """Note who asks for a mirror."""
    (folder / "users").mkdir(parents=True, exist_ok=True)
    write_whole(_user_file(folder, user.file), msgspec.json.encode(user))


def forget_user(folder: Path, file: str) -> None:
    """Note that a file asks for a mirror no more."""
    _user_file(folder, file).unlink(missing_ok=True)


def drop_superseded(folder: Path) -> None:
    """Remove the versions that nobody asks for, nor uses now: all, once there is no user."""
    users = list(users_of(folder))
    kept = {user.version for user in users}
    if None in kept:
        kept.add(max(versions_of(folder), default=None))
    for version in set(versions_of(folder)) - kept:
        place = folder / "versions" / str(version)
        with unused(place) as free:
            if free:
                take_away(place)
    if not users:
        with contextlib.suppress(OSError):  # a process may still read a version
            (folder / "versions").rmdir()
            shutil.rmtree(folder)


def take_away(folder: Path) -> None:
    """Remove a folder; nobody finds half of it."""
    with under_way() as away, contextlib.suppress(FileNotFoundError):
        folder.rename(away / folder.name)


def write_whole(file: Path, content: bytes) -> None:
    """Write a small file in one step."""
    descriptor, temporary = tempfile.mkstemp(prefix=".", dir=file.parent)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    Path(temporary).replace(file)


def bytes_of(folders: Iterable[Path]) -> int:
    """What folders take on the disk; a file with several hard links counts once."""
    seen: dict[tuple[int, int], int] = {}
    for top in folders:
        for folder, _, files in os.walk(top):
            for name in files:
                with contextlib.suppress(FileNotFoundError):
                    found = os.lstat(os.path.join(folder, name))  # noqa: PTH118
                    seen[found.st_dev, found.st_ino] = found.st_size
    return sum(seen.values())


def versions_of(folder: Path) -> list[int]:
    """The versions that a mirror's folder has."""
    with contextlib.suppress(FileNotFoundError):
        return [int(name) for name in os.listdir(folder / "versions") if name.isdecimal()]  # noqa: PTH208
    return []


def users_of(folder: Path) -> Iterator[User]:
    """Who asks for a mirror, of those files that are still there."""
    for file in folder.glob("users/*.json"):
        user = msgspec.json.decode(file.read_bytes(), type=User)
        if Path(user.file).is_file():
            yield user


def _user_file(folder: Path, file: str) -> Path:
    return folder / "users" / f"{_digest(file)}.json"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
