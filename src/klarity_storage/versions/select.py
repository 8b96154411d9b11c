"""Choose files of a version by glob, and list one folder of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import translate
from itertools import chain
from os.path import commonprefix
from typing import Protocol

import pyarrow as pa

from klarity_storage.errors import FileMissingError, InvalidInputError
from klarity_storage.versions.arrays import bit_array, number_array
from klarity_storage.versions.manifest import FileInfo, Manifest, after


class Source(Protocol):
    """Files by path: a manifest, in memory or in storage."""

    def all(self) -> Manifest:
        """All files."""

    def between(self, low: str, high: str) -> Manifest:
        """The files from one path on and before another."""

    def filter(self, mask: pa.ChunkedArray) -> Manifest:
        """The files where a mask holds."""

    def column(self, name: str) -> pa.ChunkedArray:
        """One column of all files."""


@dataclass(frozen=True, slots=True)
class Folder:
    """What stands directly in one folder of a version."""

    path: str
    """Its path, empty for the top."""
    folders: list[str]
    """The paths of the folders in it."""
    files: list[FileInfo]


def path_filter(include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Callable[[str], bool]:
    """Whether a path is chosen: some ``include`` fits it, if there is any, and no ``exclude``.

    A glob is compared with the whole path, case and all: ``*`` stands for any characters, ``/``
    among them, ``?`` for one, ``[ab]`` for one of some. ``train/*`` is everything below ``train``,
    which ``train/`` means too, and ``*.tmp`` such files in every folder.

    >>> chosen = path_filter(["train/*"], ["*.tmp"])
    >>> [chosen(path) for path in ("train/a/1.png", "train/a/1.tmp", "test/1.png")]
    [True, False, False]
    """
    wanted, unwanted = _any_of(include, "include"), _any_of(exclude, "exclude")

    def chosen(path: str) -> bool:
        return (wanted is None or wanted.match(path) is not None) and (
            unwanted is None or unwanted.match(path) is None
        )

    return chosen


def _any_of(globs: Sequence[str], what: str) -> re.Pattern[str] | None:
    if isinstance(globs, str):
        raise InvalidInputError(f"{what!r} is a list of globs.", hint=f"Write [{globs!r}].")
    if not globs:
        return None
    return re.compile("|".join(translate(f"{g}*" if g.endswith("/") else g) for g in globs))


def files_at(source: Source, path: str | None) -> Manifest:
    """The file at a path, or the files below it; all of them without a path.

    Raises:
        FileMissingError: there is none.
    """
    if not (path := (path or "").rstrip("/")):
        return source.all()
    found = source.between(path, after(path)) or source.between(f"{path}/", f"{path}0")
    if not found:  # "0" follows "/"
        raise FileMissingError(
            f"The version has no file or folder {path!r}.", hint="ks ls REF lists its files."
        )
    return found


def choose(source: Source, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Manifest:
    """The files that globs fit, see `path_filter`; only where they could be is looked at."""
    fits = path_filter(include, exclude)
    # of characters, not of folders: what all paths that could fit begin with
    if start := commonprefix([_plain_start(glob) for glob in include]):  # noqa: RUF071
        source = source.between(start, _behind_all(start))
    paths = source.column("path")
    mask = bit_array(map(fits, chain.from_iterable(chunk.to_pylist() for chunk in paths.chunks)))
    return source.filter(pa.chunked_array([mask]))


def list_folder(source: Source, path: str = "") -> Folder:
    """What stands directly in one folder.

    Raises:
        FileMissingError: there is no such folder.
    """
    import pyarrow.compute as pc  # noqa: PLC0415 - takes a while to load

    path = path.rstrip("/")
    prefix = f"{path}/" if path else ""
    below = files_at(source, path) if path else source
    paths = below.column("path")
    if path and paths[0].as_py() == path:
        raise FileMissingError(f"{path!r} is a file, not a folder.")
    rest = pc.utf8_slice_codeunits(paths, len(prefix))
    deeper = pc.match_substring(rest, "/")
    parts = pc.split_pattern(rest.filter(deeper), "/", max_splits=1)
    names = pc.unique(pc.list_element(parts, number_array([0])[0])).to_pylist()
    return Folder(path, [prefix + name for name in names], list(below.filter(pc.invert(deeper))))


def _plain_start(glob: str) -> str:
    """What every path begins with that a glob fits."""
    return re.split(r"[*?[\U0010ffff]", glob, maxsplit=1)[0]


def _behind_all(start: str) -> str:
    """The text behind all that begin so, and before all others that are behind them."""
    last = ord(start[-1]) + 1
    return start[:-1] + chr(0xE000 if last == 0xD800 else last)  # surrogates are no characters
