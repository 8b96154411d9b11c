"""Make anew what lies beside a name's versions to make pushes cheap, where it is not right.

All of it follows from log, manifests and files: the lists of what versions add (`content_index`)
and those of the chunks of large files (`chunk_lists`). Without them nothing is lost: pushes read
and upload more than they would have to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Literal

import msgspec
import pyarrow.compute as pc
from obstore.store import ObjectStore

from klarity_storage.errors import IntegrityError, InvalidManifestError, NotFoundError
from klarity_storage.layout import Name
from klarity_storage.protocol.versions import VersionInfo
from klarity_storage.versions import chunk_lists, cutting
from klarity_storage.versions.content_index import (
    LISTED_FROM,
    Added,
    content_hints,
    read_added,
    write_added,
)
from klarity_storage.versions.cutting import Chunks, cut
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.history import read_history
from klarity_storage.versions.manifest import FileInfo, Manifest, load_manifest
from klarity_storage.versions.read import read_chunks
from klarity_storage.versions.stored import Content, content_of

Problem = Literal["missing", "damaged", "wrong"]

_KEPT: Final = 3
"""Manifests in memory: of a version, of the one before it, and of the base of its list."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was not as it should be."""

    name: str
    """Whose: ``vision/datasets/cats``, or a space."""
    what: str
    """``additions`` and ``chunks`` of versions, for example."""
    problem: Problem
    key: str
    """Of the object in the bucket; of all below it where it ends in a slash."""
    derived: bool = True
    """Whether it follows from what is there: it is made anew. Otherwise it is lost."""


def reindex_name(
    store: ObjectStore, name: Name, *, dry_run: bool = True, reread: bool = False
) -> Iterator[Finding]:
    """What of a name is missing, damaged or wrong; what is derived is made anew unless ``dry_run``.

    Args:
        store: the bucket, with keys that write all of the name.
        name: which.
        dry_run: only find.
        reread: whether large files are read, to compare lists of chunks that look right, too.

    Raises:
        UnavailableError: storage does not answer.
    """
    try:
        history = read_history(store, name)
    except IntegrityError:
        yield lost(name, "log", "damaged", name.log_prefix)
        return
    live = {info.version: info for info in history.versions()}  # newest first
    work = _Pass(store, name, live, dry_run, reread)
    for at, info in enumerate(live.values()):
        manifest = work.manifest(info)
        if isinstance(manifest, Finding):
            yield manifest
            continue
        yield from work.check_chunks(info, manifest)
        if info.files >= LISTED_FROM:
            older = islice(live.values(), at + 1, None)
            before = next((each for each in older if work.is_whole(each)), None)
            yield from work.check_additions(info, manifest, before)


def lost(name: Name, what: str, problem: Problem, key: str) -> Finding:
    """What does not follow from anything else."""
    return Finding(name=str(name), what=what, problem=problem, key=key, derived=False)


@dataclass
class _Pass:
    """Once over the versions of a name, newest first."""

    store: ObjectStore
    name: Name
    live: dict[str, VersionInfo]
    dry_run: bool
    reread: bool
    seen: set[Content] = field(default_factory=set)
    """Large files of versions that were looked at."""
    loaded: dict[str, Manifest | Finding] = field(default_factory=dict)
    """The last manifests: of a version and of the one before it."""

    def manifest(self, info: VersionInfo) -> Manifest | Finding:
        """A version's manifest, or what is wrong with it."""
        found = self.loaded.pop(info.version, None) or self._load(info)
        self.loaded[info.version] = found
        if len(self.loaded) > _KEPT:
            del self.loaded[next(iter(self.loaded))]
        return found

    def is_whole(self, info: VersionInfo) -> bool:
        """Whether its manifest can be read."""
        return isinstance(self.manifest(info), Manifest)

    def check_additions(
        self, info: VersionInfo, manifest: Manifest, before: VersionInfo | None
    ) -> Iterator[Finding]:
        """The list of what a version of many files adds to an older one."""
        if before is None:  # it adds all that it has
            return
        contents = _contents(manifest)
        problem = self._additions_problem(info, contents)
        if problem is None:
            return
        if not self.dry_run:
            added = Added(before.version, contents - self._contents_of(before))
            write_added(self.store, self.name, info.version, info.manifest, added)
        key = self.name.added_key(info.version, info.manifest)
        yield Finding(name=str(self.name), what="additions", problem=problem, key=key)

    def check_chunks(self, info: VersionInfo, manifest: Manifest) -> Iterator[Finding]:
        """The lists of the chunks of large files that no newer version has."""
        table = manifest.table
        for file in Manifest(table.filter(pc.greater_equal(table["size"], cutting.LARGE))):
            if content_of(file) not in self.seen:
                self.seen.add(content_of(file))
                yield from self._check_file(info, file)

    def _load(self, info: VersionInfo) -> Manifest | Finding:
        try:
            return load_manifest(self.store, self.name, info.version, info.manifest)
        except (IntegrityError, InvalidManifestError) as error:
            gone = isinstance(error.__cause__, NotFoundError)
            key = self.name.manifest_key(info.version, info.manifest)
            return lost(self.name, "manifest", "missing" if gone else "damaged", key)

    def _additions_problem(self, info: VersionInfo, contents: frozenset[int]) -> Problem | None:
        found = read_added(self.store, self.name, info)
        if found is None:
            key = self.name.added_key(info.version, info.manifest)
            return "damaged" if self._is_there(key) else "missing"
        base = self.live.get(found.base)
        if base is None:  # it was deleted, and its own list with it
            return "wrong"
        return None if found.contents == contents - self._contents_of(base) else "wrong"

    def _contents_of(self, info: VersionInfo) -> frozenset[int]:
        manifest = self.manifest(info)
        return frozenset() if isinstance(manifest, Finding) else _contents(manifest)

    def _check_file(self, info: VersionInfo, file: FileInfo) -> Iterator[Finding]:
        """Its bytes lie in one folder or several, and a list of its chunks in one of them.

        The folder of a version that was deleted loses its lists when garbage is collected, so one
        that is missing is laid into this one's: a push looks there, too.
        """
        own = info.manifest.rpartition("/")[0] or info.version
        folders = list(dict.fromkeys([own, *(extent.object[:64] for extent in file.extents)]))
        lists = {folder: self._list(folder, file) for folder in folders}
        problems = list(_problems(lists, None))
        right: Chunks | None = None
        if self.reread or (problems and not self.dry_run):
            try:
                right = cut(read_chunks(self.store, self.name, file))
            except IntegrityError:
                key = self.name.object_key(file.extents[0].object)
                yield lost(self.name, "file", "damaged", key)
                return
            problems = list(_problems(lists, right))
        for folder, problem in problems:
            if right is not None and not self.dry_run:
                chunk_lists.write_chunks(self.store, self.name, folder, file, right)
            key = self.name.chunks_key(folder, file.sha256)
            yield Finding(name=str(self.name), what="chunks", problem=problem, key=key)

    def _list(self, folder: str, file: FileInfo) -> Chunks | Problem:
        try:
            found = chunk_lists.read_chunks(self.store, self.name, folder, file)
        except NotFoundError:
            return "missing"
        return found or "damaged"

    def _is_there(self, key: str) -> bool:
        try:
            with told_as_ours(key):
                self.store.head(key)
        except NotFoundError:
            return False
        return True


def _problems(
    lists: dict[str, Chunks | Problem], right: Chunks | None
) -> Iterator[tuple[str, Problem]]:
    """The folders whose list has to be made anew: every wrong one, and one where there is none."""
    listed = {folder: found for folder, found in lists.items() if found != "missing"}
    if not listed:
        yield next(iter(lists)), "missing"
    for folder, found in listed.items():
        if not isinstance(found, Chunks):
            yield folder, "damaged"
        elif right is not None and (found.digests, found.lengths) != (right.digests, right.lengths):
            yield folder, "wrong"


def _contents(manifest: Manifest) -> frozenset[int]:
    return frozenset(content_hints(manifest.table["sha256"].to_pylist()))
