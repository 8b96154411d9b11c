"""Fetch files into places, many with one request; each is verified before it stands there."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from obstore.store import ObjectStore

from klarity_storage.errors import AlreadyExistsError, IntegrityError
from klarity_storage.layout import Name
from klarity_storage.rename import rename_new
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.hashing import digest_file
from klarity_storage.versions.manifest import Extent, FileInfo
from klarity_storage.versions.partial import Part, Partial
from klarity_storage.versions.progress import Meter
from klarity_storage.versions.ranges import Run, plan_runs
from klarity_storage.versions.read import fetch_range, read_chunks
from klarity_storage.versions.workers import run_all

RUNS: Final = 6
"""Runs that are fetched at once, of 4 MiB each at most."""

SMALL: Final = 1024 * 1024
"""Bytes up to which a run is small: its time is that of the request."""

SMALL_RUNS: Final = 24
"""Small runs that are fetched at once."""

LARGE: Final = 4
"""Large files that are fetched at once, each in four pieces of 4 MiB at most."""

_NAMED = 5


class Fetch:
    """One transfer from an object store to a disk.

    Args:
        partial: a folder on the destination's disk for what is not whole yet.
        meter: told of every file.
        own: whether the places are nobody else's, so that what is there may be replaced.
    """

    def __init__(
        self, store: ObjectStore, name: Name, partial: Partial, meter: Meter, *, own: bool = False
    ) -> None:
        self._store = store
        self._name = name
        self._partial = partial
        self._meter = meter
        self._put = os.replace if own else rename_new
        self._targets: dict[str, str] = {}
        self._stop = threading.Event()
        self._damaged: dict[str, IntegrityError] = {}

    def all(self, files: Iterable[tuple[FileInfo, str]]) -> None:
        """Fetch files, each to its path, in folders that exist.

        Raises:
            IntegrityError: some are damaged; all others stand in their places.
        """
        wanted = list(files)
        self._targets = {file.path: target for file, target in wanted}
        runs, alone = plan_runs(file for file, _ in wanted)
        small = [run for run in runs if run.end - run.start <= SMALL]
        large = [run for run in runs if run.end - run.start > SMALL]
        run_all(self._run, small, workers=SMALL_RUNS, stop=self._stop)
        run_all(self._run, large, workers=RUNS, stop=self._stop)
        with ThreadPoolExecutor(2 * LARGE, "ks-ahead") as pool:
            run_all(lambda file: self._again(file, pool), alone, workers=LARGE, stop=self._stop)
        if self._damaged:
            raise _told_together(self._name, self._damaged)

    def _run(self, run: Run) -> None:
        """Fetch a run and write its files; those that do not fit are read again by themselves."""
        try:
            data = self._bytes(run)
        except IntegrityError:
            data = memoryview(b"")  # fits none: each is read again, and the one at fault is named
        for file, part in _parts(run, data):
            if self._stop.is_set():
                return
            if hashlib.sha256(part).hexdigest() == file.sha256:
                self._write(file, part)
            else:
                self._again(file)

    def _bytes(self, run: Run) -> memoryview:
        if run.start == run.end:
            return memoryview(b"")
        whole = Extent(run.object, run.start, run.end - run.start)
        return fetch_range(self._store, self._name, run.files[0], whole)

    def _write(self, file: FileInfo, data: memoryview) -> None:
        target = self._targets[file.path]
        with told_as_ours(f"the file {target!r}"):
            partial = self._partial.place()
            stream = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            try:
                _write_all(stream, data)
            finally:
                os.close(stream)
            self._name_it(partial, file, target)
        self._meter.advance(file.size, files=1)

    def _again(self, file: FileInfo, pool: Executor | None = None) -> None:
        """Read one file by itself; when it is damaged, the others are still fetched."""
        try:
            self._alone(file, pool)
        except IntegrityError as error:
            self._damaged[file.path] = error

    def _alone(self, file: FileInfo, pool: Executor | None) -> None:
        target = self._targets[file.path]
        with (
            told_as_ours(f"the file {target!r}"),
            self._partial.part(file.sha256, file.size) as (part, path),
        ):
            try:
                whole = self._go_on(file, part, pool)
            except IntegrityError:
                part.remove()
                raise
            if whole:
                self._name_it(path, file, target)
                self._meter.advance(0, files=1)

    def _go_on(self, file: FileInfo, part: Part, pool: Executor | None) -> bool:
        """Write what is missing behind what is there; False when the transfer stops."""
        begun = part.size
        self._meter.advance(begun)
        try:
            for chunk in read_chunks(self._store, self._name, file, pool, part):
                if self._stop.is_set():
                    return False
                part.append(chunk)
                self._meter.advance(len(chunk))
        except IntegrityError:
            if not begun:
                raise
            self._meter.advance(-part.size)  # perhaps it is the beginning that does not fit
            part.restart()
            return self._go_on(file, part, pool)
        return True

    def _name_it(self, partial: str, file: FileInfo, target: str) -> None:
        try:
            self._put(partial, target)
        except FileExistsError:  # another pull may have written it meanwhile
            os.unlink(partial)  # noqa: PTH108 - paths are texts here
            check_same(file, target)


def check_same(file: FileInfo, target: str) -> None:
    """Make sure that what stands in a file's place is that file.

    Raises:
        AlreadyExistsError: it is another, or none.
    """
    place = Path(target)
    if (
        place.is_file()
        and place.stat().st_size == file.size
        and digest_file(place).sha256 == file.sha256
    ):
        return
    raise AlreadyExistsError(
        f"The destination holds another {file.path!r} already; it was not overwritten.",
        hint="Pull into another folder, or move the file away.",
    )


def _parts(run: Run, data: memoryview) -> Iterator[tuple[FileInfo, memoryview]]:
    for file in run.files:
        start = file.extents[0].offset - run.start if file.size else 0
        yield file, data[start : start + file.size]


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _told_together(name: Name, failures: dict[str, IntegrityError]) -> IntegrityError:
    paths = sorted(failures)
    first = failures[paths[0]]
    if len(paths) == 1:
        return first
    told = ", ".join(map(repr, paths[:_NAMED]))
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return IntegrityError(
        f"{len(paths)} files of {name} are damaged or missing in storage, all others were written: "
        f"{told}{more}.",
        hint=first.hint,
    )
