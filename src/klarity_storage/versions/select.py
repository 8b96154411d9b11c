"""Choose files of a version by glob, and list one folder of it."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import translate

from klarity_storage.errors import FileMissingError, InvalidInputError
from klarity_storage.versions.manifest import FileInfo, Manifest


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


def files_at(manifest: Manifest, path: str | None) -> Manifest:
    """The file at a path, or the files below it; all of them without a path.

    Raises:
        FileMissingError: there is none.
    """
    if not (path := (path or "").rstrip("/")):
        return manifest
    start = _first(manifest, path)
    end = start + 1
    if start == len(manifest) or manifest.table["path"][start].as_py() != path:
        start, end = _first(manifest, f"{path}/"), _first(manifest, f"{path}0")  # "0" follows "/"
    if start == end:
        raise FileMissingError(
            f"The version has no file or folder {path!r}.", hint="ks ls REF lists its files."
        )
    return Manifest(manifest.table.slice(start, end - start))


def list_folder(manifest: Manifest, path: str = "") -> Folder:
    """One folder, found by looking up where its folders end: a million files cost nothing.

    Raises:
        FileMissingError: there is no such folder.
    """
    path = path.rstrip("/")
    prefix = f"{path}/" if path else ""
    below = files_at(manifest, path)
    paths = below.table["path"]
    folders: list[str] = []
    files: list[FileInfo] = []
    at = 0
    while at < len(below):
        here = paths[at].as_py()
        if not here.startswith(prefix):
            raise FileMissingError(f"{path!r} is a file, not a folder.")
        name, slash, _ = here[len(prefix) :].partition("/")
        if slash:
            folders.append(prefix + name)
            at = _first(below, f"{prefix}{name}0", at)
        else:
            end = at + 1  # files stand in rows that follow each other: they are read together
            while end < len(below) and "/" not in paths[end].as_py()[len(prefix) :]:
                end += 1
            files += Manifest(below.table.slice(at, end - at))
            at = end
    return Folder(path, folders, files)


def _first(manifest: Manifest, path: str, start: int = 0) -> int:
    """The row of the first path that is not before this one; they are sorted by their bytes."""
    paths = manifest.table["path"]
    key = path.encode()
    return bisect_left(
        range(len(manifest)), key, lo=start, key=lambda row: paths[row].as_py().encode()
    )
