"""``ks cache``: what was fetched once and is kept on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from klarity_storage.cache.held import HeldTable
from klarity_storage.cli import _format
from klarity_storage.cli._command import Group
from klarity_storage.cli._output import Column
from klarity_storage.cli._session import Session, pass_session
from klarity_storage.protocol.base import Response

if TYPE_CHECKING:
    from klarity_storage.cache.files import Cache
    from klarity_storage.cache.held import HeldTables


class CacheInfo(Response, frozen=True, kw_only=True):
    """The local cache."""

    folder: str
    files: int = 0
    trees: int = 0
    """Versions that lie there as a folder."""
    bytes: int = 0
    limit: int = 0
    """How many bytes it may hold."""
    removed: int = 0
    """How many bytes this command made free, or would not count any more."""
    tables: list[HeldTable] = []
    """Mirrors, sandboxes and redirected files, which do not count towards the limit."""
    table_bytes: int = 0
    """What those take together."""
    sandboxes: list[str] = []
    """Tables whose sandboxes stay, because their changes are not promoted."""
    damaged: list[str] = []
    """The SHA-256 of files that were damaged, and are gone."""


_HELD = (
    Column("table", lambda held: held.table or held.folder, whole=True),
    Column("kind"),
    Column("versions", lambda held: ", ".join(map(str, held.versions))),
    Column("size", lambda held: held.bytes, _format.size, right=True),
    Column("declared in", lambda held: ", ".join(held.declared_in), loose=True),
)


@click.group("cache", cls=Group)
def command() -> None:
    """What was fetched once: ls, path, prune, verify, clear."""


@command.command("ls", examples=["ks cache ls"])
@pass_session
def ls(session: Session) -> None:
    """Show what the cache of this machine holds, and what it may hold.

    KS_CACHE is its folder, KS_CACHE_SIZE what it may hold (20GiB; a tenth of the disk without it,
    at most 50 GiB), and KS_CACHE_LINK how files come out of it: auto, reflink, hard or copy.

    Mirrors and sandboxes of tables are not bounded, and stay until `ks table uncache`.
    """
    from klarity_storage.cache.held import held_tables

    held = held_tables()
    info = msgspec.structs.replace(_info(_opened()), tables=held.tables, table_bytes=held.bytes)
    session.out.facts(
        info,
        {
            "folder": info.folder,
            "files": _format.count(info.files),
            "versions": _format.count(info.trees),
            "size": _format.size(info.bytes),
            "may hold": _format.size(info.limit),
            "tables": _told(held),
        },
        line=str(info.bytes),
    )
    if held.tables and not session.out.silent:
        session.out.rows(_HELD, [[c.text(table, False) for c in _HELD] for table in held.tables])


def _told(held: HeldTables) -> str:
    if not held.tables:
        return ""
    return f"{_format.size(held.bytes)} in {len(held.tables)}, beside what is bounded"


@command.command("path", examples=["ks cache path"])
@pass_session
def path(session: Session) -> None:
    """Write the folder of the cache."""
    from klarity_storage.cache.folder import cache_folder

    folder = str(cache_folder())
    session.out.result(CacheInfo(folder=folder), folder)


@command.command("prune", examples=["ks cache prune", "ks cache prune --to 1GiB"])
@click.option("--to", metavar="SIZE", help="How much may stay: 20GiB; KS_CACHE_SIZE without it.")
@pass_session
def prune(session: Session, to: str | None) -> None:
    """Remove what was of no use for longest, until the cache is within its bounds.

    That happens by itself, too. Versions that a process uses stay, and so do files that hard links
    elsewhere keep.
    """
    from klarity_storage.cache.evict import make_room
    from klarity_storage.cache.folder import parse_size

    limit = None if to is None else parse_size(to)
    cache = _opened()
    removed = make_room(cache, limit) if cache else 0
    session.out.result(
        _info(cache, removed), "", f"Removed {_format.size(removed)} from the cache."
    )


@command.command("verify", examples=["ks cache verify"])
@pass_session
def verify(session: Session) -> None:
    """Read every file of the cache, and remove those that are damaged.

    Whatever was written to is noticed when it is used, by its size and time; this finds what the
    disk itself spoiled.
    """
    cache = _opened()
    damaged = cache.verify() if cache else []
    files = "1 file was" if len(damaged) == 1 else f"{len(damaged)} files were"
    said = f"{files} damaged and removed." if damaged else "No file of the cache is damaged."
    session.out.result(_info(cache, damaged=damaged), "\n".join(damaged), said)


@command.command("clear", examples=["ks cache clear --yes"])
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_session
def clear(session: Session, yes: bool) -> None:
    """Remove the whole cache, also what a process uses.

    Sandboxes of tables with changes that are not promoted stay.
    """
    from klarity_storage.cache.files import clear as clear_folder
    from klarity_storage.cache.folder import cache_folder
    from klarity_storage.versions.engine_errors import told_as_ours

    folder = cache_folder()
    session.out.confirm(f"Remove everything in the cache {str(folder)!r}?", yes=yes)
    kept: list[str] = []
    with told_as_ours("the local cache"):
        if folder.is_dir():
            kept = _clear_sandboxes()
            clear_folder(folder)
    said = "The cache is empty."
    if kept:
        said = f"Only sandboxes with changes that are not promoted are left: {', '.join(kept)}."
    session.out.result(CacheInfo(folder=str(folder), sandboxes=kept), "\n".join(kept), said)


def _clear_sandboxes() -> list[str]:
    """Remove the sandboxes that are as they began; the tables of the others."""
    from klarity_storage.cache.tables import sandbox_folders, sandbox_lock, take_away

    kept = []
    for folder in sandbox_folders():
        from klarity_storage.tables.sandbox import read_sandbox  # loads Delta

        with sandbox_lock(folder, alone=True):
            sandbox = read_sandbox(folder)
            if sandbox is not None and sandbox.commits:
                kept.append(str(sandbox.name))
            else:
                take_away(folder)
    return kept


def _opened() -> Cache | None:
    from klarity_storage.cache.files import Cache
    from klarity_storage.versions.engine_errors import told_as_ours

    with told_as_ours("the local cache"):
        return Cache.open()


def _info(cache: Cache | None, removed: int = 0, damaged: list[str] | None = None) -> CacheInfo:
    from klarity_storage.cache.folder import cache_folder, cache_limit

    files, trees, size = cache.index.totals() if cache else (0, 0, 0)
    return CacheInfo(
        folder=str(cache_folder()),
        files=files,
        trees=trees,
        bytes=size,
        limit=cache_limit(cache_folder()),
        removed=removed,
        damaged=damaged or [],
    )
