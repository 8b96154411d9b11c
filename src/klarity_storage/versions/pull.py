"""Fetch a version into a folder; a file stands under its final name only when it is whole."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from obstore.store import ObjectStore

from klarity_storage.errors import (
    AlreadyExistsError,
    IntegrityError,
    InvalidPathError,
    StorageFullError,
    UnavailableError,
)
from klarity_storage.layout import Name
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.fetch import Fetch, check_same
from klarity_storage.versions.manifest import FileInfo, Manifest
from klarity_storage.versions.partial import Partial, partial_folder
from klarity_storage.versions.progress import Meter, OnProgress

COMPARERS: Final = 4

PARTIAL: Final = ".ks-pull-"
"""How folders in a destination begin that hold what is not whole yet."""

CACHE_PARTIAL: Final = "partial-files-"
"""The same in the cache, which sweeps what begins with ``partial-`` and nobody goes on with."""

PATIENCE: Final = 24 * 3600
"""Seconds that the beginnings of other files stay in the cache."""

Placed = tuple[FileInfo, str]
"""A file, and the path that it gets."""


class Source(Protocol):
    """Where files may come from, and be kept: a cache."""

    def give(
        self, wanted: Sequence[Placed], partial: str, given: Callable[[FileInfo], None]
    ) -> list[Placed]:
        """Write what it has to its paths, and return what it does not have."""

    def keeps(self, size: int) -> bool:
        """Whether it takes so many bytes."""

    def fill(self, files: Sequence[FileInfo], fetch: Callable[[str, list[Placed]], None]) -> None:
        """Fetch files into it, with a folder on its disk to make folders of one's own in."""


def pull_tree(
    store: ObjectStore,
    name: Name,
    files: Collection[FileInfo] | Manifest,
    destination: Path,
    *,
    below: str = "",
    source: Source | None = None,
    progress: OnProgress | None = None,
) -> Path:
    """Write files of a version below ``destination``, verified.

    Files that are there already with the same content stay, so a pull that was stopped goes on
    where it was. Other files in the folder are left alone.

    Args:
        store: the bucket.
        name: whose files.
        files: which files; a manifest is all of them.
        destination: a folder, made when it is not there.
        below: what to leave away at the beginning of each path: ``train/``.
        source: a cache, whose files need not be fetched.
        progress: called while the pull runs.

    Returns:
        The destination.

    Raises:
        AlreadyExistsError: a file is there with other content; nothing is written.
        IntegrityError: stored bytes are damaged; all other files are written.
        InvalidPathError: a link in the destination leads out of it.
        StorageFullError: the disk is full; what is written is whole.
    """
    with told_as_ours(f"the folder {str(destination)!r}"):
        destination.mkdir(parents=True, exist_ok=True)
        root = os.path.realpath(destination)
        fresh = not any(destination.iterdir())
    wanted = [(file, f"{root}/{file.path[len(below) :]}") for file in files]
    folders = sorted({target.rpartition("/")[0] for _, target in wanted})
    missing = wanted
    if not fresh:
        _check_inside(root, folders)
        missing = _missing(wanted)
    meter = Meter("downloading", sum(f.size for f, _ in missing), len(missing), progress)
    with told_as_ours(f"the folder {str(destination)!r}"):
        _make(root, folders)
        digests = (file.sha256 for file, _ in missing)
        with _going_on(destination), partial_folder(root, PARTIAL, digests) as partial:
            if source:
                missing = _from_cache(store, name, missing, source, partial, meter)
            Fetch(store, name, partial, meter).all(missing)
    return destination


@contextmanager
def _going_on(destination: Path) -> Iterator[None]:
    """Say of a failure that is not for ever that nothing is lost."""
    try:
        yield
    except UnavailableError as error:
        first = "Free some space" if isinstance(error, StorageFullError) else "Wait"
        error.hint = (
            f"{first} and pull into {str(destination)!r} again: it goes on where it was, "
            "within large files too."
        )
        raise


def _from_cache(
    store: ObjectStore,
    name: Name,
    missing: list[Placed],
    source: Source,
    partial: Partial,
    meter: Meter,
) -> list[Placed]:
    """Write what the cache has or takes, and return what is left to fetch without it."""
    with told_as_ours("what comes out of the local cache"):
        missing = source.give(missing, partial.path, lambda f: meter.advance(f.size, files=1))
        return _fill(store, name, missing, source, partial, meter)


def _fill(
    store: ObjectStore,
    name: Name,
    missing: list[Placed],
    source: Source,
    partial: Partial,
    meter: Meter,
) -> list[Placed]:
    """Fetch through the cache, if it keeps so much; what is left is fetched without it."""
    contents = {file.sha256: file for file, _ in missing}
    if not missing or not source.keeps(sum(file.size for file in contents.values())):
        return missing

    def fetch(folder: str, files: list[Placed]) -> None:
        with partial_folder(folder, CACHE_PARTIAL, contents, patience=PATIENCE) as own:
            Fetch(store, name, own, meter, own=True).all(files)

    with contextlib.suppress(IntegrityError):  # fetched again by itself, and told then
        source.fill(list(contents.values()), fetch)
    seen: set[int] = {id(file) for file in contents.values()}
    return source.give(
        missing,
        partial.path,
        lambda file: None if id(file) in seen else meter.advance(file.size, files=1),
    )


def _check_inside(root: str, folders: Sequence[str]) -> None:
    for folder in folders:
        place = os.path.realpath(folder)
        if place != root and not place.startswith(root.rstrip("/") + "/"):
            raise InvalidPathError(
                f"A link in the destination leads {folder!r} out of it.", hint="Remove the link."
            )


def _make(root: str, folders: Sequence[str]) -> None:
    for folder in folders:
        try:
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - paths are texts here
        except (FileExistsError, NotADirectoryError) as error:
            raise AlreadyExistsError(
                f"The destination holds a file where the folder {folder[len(root) + 1 :]!r} belongs"
                "; no file was written.",
                hint="Pull into another folder, or move the file away.",
            ) from error


def _missing(wanted: list[Placed]) -> list[Placed]:
    """The files that are not there yet; those that are there must be the same."""
    there = [item for item in wanted if os.path.lexists(item[1])]
    with ThreadPoolExecutor(COMPARERS, "ks-compare") as pool:
        for _ in pool.map(lambda item: check_same(*item), there):
            pass
    found = {target for _, target in there}
    return [item for item in wanted if item[1] not in found]
