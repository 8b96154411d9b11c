"""Fetch a version into a folder; a file stands under its final name only when it is whole."""

from __future__ import annotations

import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from obstore.store import ObjectStore

from klarity_storage.errors import AlreadyExistsError, InvalidPathError
from klarity_storage.layout import Name
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.hashing import digest_file
from klarity_storage.versions.manifest import FileInfo, Manifest
from klarity_storage.versions.progress import Meter, OnProgress
from klarity_storage.versions.read import read_chunks
from klarity_storage.versions.workers import run_all

WORKERS = 16


def pull_tree(
    store: ObjectStore,
    name: Name,
    manifest: Manifest,
    destination: Path,
    *,
    progress: OnProgress | None = None,
) -> Path:
    """Write every file of a version below ``destination``, verified.

    Files that are there already with the same content stay, so a pull that was stopped goes on
    where it was. Other files in the folder are left alone.

    Returns:
        The destination.

    Raises:
        AlreadyExistsError: a file is there with other content; nothing is written.
        IntegrityError: stored bytes are damaged; the file is not written.
        InvalidPathError: a link in the destination leads out of it.
        StorageFullError: the disk is full; what is written is whole.
    """
    with told_as_ours(f"the folder {str(destination)!r}"):
        destination.mkdir(parents=True, exist_ok=True)
        root = destination.resolve()
    missing = _missing(root, manifest)
    total = sum(file.size for file in missing)
    meter = Meter("downloading", total, len(missing), progress)
    with told_as_ours(f"the folder {str(destination)!r}"):
        partial = Path(tempfile.mkdtemp(prefix=".ks-pull-", dir=root))
    try:
        run_all(
            lambda job: _fetch(store, name, job[1], partial / str(job[0]), root, meter),
            list(enumerate(missing)),
            workers=WORKERS,
        )
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return destination


def _missing(root: Path, manifest: Manifest) -> list[FileInfo]:
    """The files that are not there yet; those that are there must be the same."""
    with ThreadPoolExecutor(WORKERS, "ks-compare") as pool:
        there = pool.map(lambda file: _is_there(root, file), manifest)
        return [file for file, found in zip(manifest, there, strict=True) if not found]


def _is_there(root: Path, file: FileInfo) -> bool:
    target = root / file.path
    _check_inside(root, target)
    if not target.is_symlink() and not target.exists():
        return False
    if target.is_file() and target.stat().st_size == file.size:
        digest = digest_file(target)
        if digest.sha256 == file.sha256:
            return True
    raise AlreadyExistsError(
        f"The destination holds another {file.path!r} already; nothing was written.",
        hint="Pull into another folder, or move the file away.",
    )


def _check_inside(root: Path, target: Path) -> None:
    if not target.parent.resolve().is_relative_to(root):
        raise InvalidPathError(
            f"A link in the destination leads {str(target)!r} out of it.", hint="Remove the link."
        )


def _fetch(
    store: ObjectStore, name: Name, file: FileInfo, partial: Path, root: Path, meter: Meter
) -> None:
    target = root / file.path
    with told_as_ours(f"the file {str(target)!r}"):
        with partial.open("xb") as stream:
            for chunk in read_chunks(store, name, file):
                stream.write(chunk)
                meter.advance(len(chunk))
        target.parent.mkdir(parents=True, exist_ok=True)
        _check_inside(root, target)
        partial.replace(target)
    meter.advance(0, files=1)
