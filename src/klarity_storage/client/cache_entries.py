"""``[storage.cache."vision/tables/runs"]`` in ``.safenai``: where a table is read instead."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

from klarity_storage.client.references import table_name
from klarity_storage.client.safenai import (
    FILE_NAME,
    edited,
    files_from,
    nearest_file,
    read_section,
)
from klarity_storage.errors import ConfigurationError, InvalidInputError
from klarity_storage.layout import Name

Mode = Literal["ro", "sandbox", "redirect"]

_KEYS: Final = ("mode", "path", "version")


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """What a file says of one table."""

    table: Name
    mode: Mode
    file: Path
    """The ``.safenai`` that says so."""
    version: int | None = None
    """Pinned."""
    path: Path | None = None
    """Where a redirected table is read: a Parquet or CSV file, or a Delta table."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A file's entries, as they were when it looked like that."""

    stamp: tuple[int, int, int]
    location: str | None
    entries: dict[Name, CacheEntry]


_known: dict[Path, _Read] = {}


def find_entry(table: Name, start: Path, location: str) -> CacheEntry | None:
    """What the nearest file that names the table says of it, at a server or directory.

    The files are looked at each time, so that a change counts at once. The entries of a file that
    names a ``base_url`` count there alone.
    """
    for file in files_from(start):
        found = _read(file)
        if table in found.entries and _counts_at(found, location):
            return found.entries[table]
    return None


def all_entries(start: Path, location: str) -> list[CacheEntry]:
    """Every entry that counts in a folder, by table."""
    found: dict[Name, CacheEntry] = {}
    for file in files_from(start):
        read = _read(file)
        if _counts_at(read, location):
            found = read.entries | found
    return [found[table] for table in sorted(found)]


def entries_of(file: Path) -> dict[Name, CacheEntry]:
    """The entries of a file.

    Raises:
        ConfigurationError: one is wrong; file and key are named.
    """
    return _read(file).entries


def counts_at(file: Path, location: str) -> bool:
    """Whether the entries of a file are of that server or directory."""
    return _counts_at(_read(file), location)


def file_to_write(start: Path) -> Path:
    """The nearest file upwards, or else a new one in the folder."""
    return (nearest_file(start) or start / FILE_NAME).resolve()


def write_entry(entry: CacheEntry) -> None:
    """Set a table's entry in its file."""
    with edited(entry.file) as document:
        # without headers of their own: [storage.cache."…"] says all
        section = _below(document, "storage", header=False)
        cache = _below(section, "cache", header=False)
        said = _below(cache, str(entry.table), header=True)
        said.pop("path", None)
        said["mode"] = entry.mode
        if entry.version is None:
            said.pop("version", None)
        else:
            said["version"] = entry.version


def _below(parent: MutableMapping[str, Any], key: str, *, header: bool) -> Any:
    """The table under a key, made when it is not there: inline in what is inline."""
    import tomlkit.items  # noqa: PLC0415 - only for writing

    if isinstance(parent, tomlkit.items.InlineTable):
        return parent.setdefault(key, tomlkit.inline_table())
    return parent.setdefault(key, tomlkit.table(is_super_table=None if header else True))


def remove_entry(entry: CacheEntry) -> None:
    """Take a table's entry out of its file."""
    import tomlkit.items  # noqa: PLC0415 - only for writing

    with edited(entry.file) as document:
        section = document.get("storage", {})
        cache = section.get("cache", {})
        cache.pop(str(entry.table), None)
        if not cache and "cache" in section:
            del section["cache"]
        # without a header of its own, it is gone with the last of what stood below it
        if not section and isinstance(section, tomlkit.items.Table) and section.is_super_table():
            del document["storage"]


def _read(file: Path) -> _Read:
    found = file.stat()
    stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
    known = _known.get(file)
    if known is None or known.stamp != stamp:
        section = read_section(file)
        base_url = section.get("base_url")
        location = base_url.rstrip("/") if isinstance(base_url, str) else None
        known = _known[file] = _Read(stamp, location, _entries(file, section.get("cache", {})))
    return known


def _counts_at(read: _Read, location: str) -> bool:
    if read.location is None or read.location == location:
        return True
    return "://" not in location and Path(read.location).expanduser().resolve() == Path(location)


def _entries(file: Path, section: Any) -> dict[Name, CacheEntry]:
    if not isinstance(section, dict):
        raise ConfigurationError(f"'cache' in {file} is not a table.", hint=_HINT)
    found = (_entry(file, ref, said) for ref, said in section.items())
    return {entry.table: entry for entry in found}


_HINT: Final = 'Write [storage.cache."vision/tables/runs"], and below it mode = "ro".'


def _entry(file: Path, ref: str, said: Any) -> CacheEntry:
    where = f'[storage.cache."{ref}"] in {file}'
    try:
        table = table_name(ref)
    except InvalidInputError as error:
        raise ConfigurationError(f"{where} names no table.", hint=_HINT) from error
    if not isinstance(said, dict):
        raise ConfigurationError(f"{where} is not a table.", hint=_HINT)
    for key in said:
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(_KEYS)}."
            raise ConfigurationError(f"{where} has an unknown key {key!r}.", hint=hint)
    mode = said.get("mode")
    if mode not in get_args(Mode):
        told = "has no 'mode'" if mode is None else f"has an unknown mode {mode!r}"
        raise ConfigurationError(f"{where} {told}.", hint="The modes are ro, sandbox and redirect.")
    version, path = _version(where, said), _path(where, file, said)
    return CacheEntry(table, cast("Mode", mode), file.resolve(), version, path)


def _version(where: str, said: Mapping[str, Any]) -> int | None:
    version = said.get("version")
    if version is None:
        return None
    if said["mode"] != "ro":
        raise ConfigurationError(f"{where} has a 'version', which only the mode ro takes.")
    if isinstance(version, bool) or not isinstance(version, int) or version < 0:
        raise ConfigurationError(f"'version' of {where} is not a version's number.")
    return version


def _path(where: str, file: Path, said: Mapping[str, Any]) -> Path | None:
    path = said.get("path")
    if (path is not None) != (said["mode"] == "redirect"):
        told = "has a 'path', which only the mode redirect takes" if path else "has no 'path'"
        raise ConfigurationError(
            f"{where} {told}.", hint='Write mode = "redirect" and path = "tests/runs.parquet".'
        )
    if path is None:
        return None
    if not isinstance(path, str) or not path:
        raise ConfigurationError(f"'path' of {where} is not a text.")
    return Path(os.path.abspath(file.parent / Path(path).expanduser()))  # noqa: PTH100 - no links
