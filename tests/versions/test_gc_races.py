"""Commits, deletions and collections in any order, over a store that stops and loses answers.

The model is small: what the history says was committed must read back whole, always.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)
from obstore.store import MemoryStore

import klarity_storage as ks
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.versions import CommitRequest
from klarity_storage.versions.commit import commit_version
from klarity_storage.versions.delete import delete_version
from klarity_storage.versions.gc import collect_garbage
from klarity_storage.versions.history import History, read_history
from klarity_storage.versions.manifest import Extent, Manifest, load_manifest
from klarity_storage.versions.read import read_chunks
from klarity_storage.versions.tag import remove_tag, set_tag
from versions.support import file_info, keys_below

NAME = Name("vision", Kind.DATASETS, "cats")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class StoppedError(Exception):
    """The process ended between two operations."""


class Shaky:
    """A store that may stop before an operation, or do it and lose the answer.

    Its objects are as old as its clock says.
    """

    def __init__(self) -> None:
        self.inner = MemoryStore()
        self.now = datetime.now(UTC)
        self.written: dict[str, datetime] = {}
        self.until_stop: int | None = None
        self.until_loss: int | None = None
        self.until_other: int | None = None
        self.other: Any = None

    def _step(self) -> bool:
        """Count an operation; say whether its answer is lost. Another may act before it."""
        if self.until_other is not None:
            self.until_other -= 1
            if self.until_other == -1:
                self.until_other = None
                self.other()
        if self.until_stop is not None:
            if self.until_stop == 0:
                raise StoppedError
            self.until_stop -= 1
        if self.until_loss is not None:
            self.until_loss -= 1
            return self.until_loss == -1
        return False

    def put(self, path: str, data: Any, **options: Any) -> Any:
        lost = self._step()
        answer = self.inner.put(path, data, **options)
        self.written[path] = self.now
        if lost:
            raise OSError("the connection was reset")
        return answer

    def delete(self, paths: str | list[str]) -> None:
        for path in [paths] if isinstance(paths, str) else paths:  # stops in the middle too
            lost = self._step()
            self.inner.delete(path)
            if lost:
                raise OSError("the connection was reset")

    def get(self, path: str, **options: Any) -> Any:
        self._step()
        return self.inner.get(path, **options)

    def get_range(self, path: str, **options: Any) -> Any:
        self._step()
        return self.inner.get_range(path, **options)

    def head(self, path: str) -> Any:
        self._step()
        return self.inner.head(path)

    def list(self, prefix: str, **options: Any) -> Any:
        self._step()
        for page in self.inner.list(prefix, **options):
            yield [meta | {"last_modified": self.written[meta["path"]]} for meta in page]


CONTENTS = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.sampled_from([b"1", b"22", b"333"]), min_size=1
)
FAULTS = st.sampled_from([None] * 8 + list(range(8)))
STEPS = st.integers(0, 7)


class Garbage(RuleBasedStateMachine):
    """A push is taken apart: anything may happen between look, upload and commit."""

    looks = Bundle("looks")
    uploads = Bundle("uploads")

    @initialize()
    def start(self) -> None:
        self.shaky = Shaky()
        self.store: Any = self.shaky

    def _attempt(self, stop: int | None, loss: int | None, act: Any) -> Any:
        """Do something that may stop half-way, or be refused as the product refuses things."""
        self.shaky.until_stop, self.shaky.until_loss = stop, loss
        try:
            return act()
        except (StoppedError, OSError, ks.StorageError):
            return None
        finally:
            self.shaky.until_stop = self.shaky.until_loss = None

    def _history(self) -> History:
        return read_history(self.store, NAME)

    @rule(target=looks, tree=CONTENTS)
    def begin(self, tree: dict[str, bytes]) -> Any:
        return self.look(tree)

    def look(self, tree: dict[str, bytes]) -> Any:
        """A push begins: what does storage have, where may it write?"""
        version = Manifest.of(file_info(path, data) for path, data in tree.items()).version_hash()
        history = self._history()
        latest = history.latest()
        stored: dict[str, Any] = {}
        if latest:
            manifest = load_manifest(self.store, NAME, latest.version, latest.manifest)
            stored = {file.sha256: file.extents for file in manifest}
        return version, tree, history.place(version), stored

    @rule(target=uploads, look=looks, stop=FAULTS, loss=FAULTS)
    def go_on(self, look: Any, stop: int | None, loss: int | None) -> Any:
        return self.upload(look, stop, loss)

    def upload(self, look: Any, stop: int | None, loss: int | None) -> Any:
        version, tree, place, stored = look
        if place.manifest:
            return CommitRequest(version=version, manifest=place.manifest, write_id=uuid4().hex)
        folder = place.folder

        def act() -> CommitRequest:
            if folder in self._history().closed:  # there are no keys to a closed folder
                raise ks.ConflictError("closed")
            files = []
            for path, data in tree.items():
                bare = file_info(path, data)
                extents = stored.get(bare.sha256)
                if extents is None:
                    self.store.put(NAME.object_key(f"{folder}/{path}"), data)
                    extents = (Extent(f"{folder}/{path}", 0, len(data)),)
                files.append(file_info(path, data, *extents))
            manifest, encoded = Manifest.of(files).encode()
            self.store.put(NAME.manifest_key(folder, manifest), encoded)
            named = manifest if folder == version else f"{folder}/{manifest}"
            return CommitRequest(version=version, manifest=named, write_id=uuid4().hex)

        return self._attempt(stop, loss, act) or multiple()

    @rule(target=uploads, tree=CONTENTS, stop=FAULTS, loss=FAULTS)
    def push(self, tree: dict[str, bytes], stop: int | None, loss: int | None) -> Any:
        request = self.upload(self.look(tree), None, None)
        if isinstance(request, CommitRequest):
            self._attempt(stop, loss, lambda: self._commit(request))
        return request

    @rule(request=uploads, stop=FAULTS, loss=FAULTS)
    def commit(self, request: CommitRequest, stop: int | None, loss: int | None) -> None:
        self._attempt(stop, loss, lambda: self._commit(request))

    @rule(request=uploads, at=STEPS, first=st.booleans())
    def collect_while_it_commits(self, request: CommitRequest, at: int, first: bool) -> None:
        def other() -> None:
            latest = self._history().latest()
            if first and latest:
                delete_version(self.store, NAME, latest.version, by="user:b", untag=True)
            self._collect(timedelta(0))

        self.shaky.until_other, self.shaky.other = at, other
        self._attempt(None, None, lambda: self._commit(request))
        self.shaky.until_other = None

    @rule(request=uploads, at=STEPS, grace=st.sampled_from([timedelta(0), DAY]))
    def commit_while_it_collects(self, request: CommitRequest, at: int, grace: timedelta) -> None:
        def other() -> None:
            with contextlib.suppress(ks.StorageError):
                self._commit(request)

        self.shaky.until_other, self.shaky.other = at, other
        self._attempt(None, None, lambda: self._collect(grace))
        self.shaky.until_other = None

    def _commit(self, request: CommitRequest) -> None:
        commit_version(self.store, NAME, request, by="user:a", stable_etags=False)

    def _collect(self, grace: timedelta) -> None:
        collect_garbage(
            self.store, NAME, by="user:a", grace=grace, dry_run=False, now=self.shaky.now
        )

    @rule(data=st.data(), untag=st.booleans(), stop=FAULTS, loss=FAULTS)
    def delete(self, data: Any, untag: bool, stop: int | None, loss: int | None) -> None:
        versions = sorted({info.version for info in self._history().versions()})
        if versions:
            version = data.draw(st.sampled_from(versions))
            self._attempt(
                stop,
                loss,
                lambda: delete_version(self.store, NAME, version, by="user:a", untag=untag),
            )

    @rule(tag=st.sampled_from(["prod", "test"]), remove=st.booleans(), loss=FAULTS)
    def tag(self, tag: str, remove: bool, loss: int | None) -> None:
        if remove:
            self._attempt(None, loss, lambda: remove_tag(self.store, NAME, tag, by="user:a"))
        else:
            self._attempt(None, loss, lambda: set_tag(self.store, NAME, tag, "latest", by="user:a"))

    @rule(hours=st.integers(1, 40))
    def wait(self, hours: int) -> None:
        self.shaky.now += hours * HOUR

    @rule(stop=FAULTS, loss=FAULTS, grace=st.sampled_from([timedelta(0), DAY]))
    def collect(self, stop: int | None, loss: int | None, grace: timedelta) -> None:
        self._attempt(stop, loss, lambda: self._collect(grace))

    @rule()
    def collect_undisturbed(self) -> None:
        told = collect_garbage(self.store, NAME, by="user:a", grace=timedelta(0))
        done = collect_garbage(self.store, NAME, by="user:a", grace=timedelta(0), dry_run=False)
        assert done.items == told.items
        history = self._history()
        needed = {
            key
            for commit in history.commits.values()
            for key in [commit.manifest_key, *(stored.key for stored in commit.objects)]
        }
        there = keys_below(self.shaky.inner, NAME.prefix)
        assert {key for key in there if not key.startswith("_log/")} == needed

    @rule()
    def the_young_are_spared(self) -> None:
        found = collect_garbage(
            self.store, NAME, by="user:a", grace=DAY, dry_run=True, now=self.shaky.now
        )
        purged = self._history().purged
        for item in found.items:
            announced = item.key.removeprefix(NAME.prefix) in purged
            assert announced or item.modified <= self.shaky.now - DAY

    @invariant()
    def every_version_reads_back_whole(self) -> None:
        history = self._history()
        for info in history.versions():
            manifest = load_manifest(self.store, NAME, info.version, info.manifest)
            assert manifest.version_hash() == info.version
            for file in manifest:
                assert len(b"".join(read_chunks(self.store, NAME, file))) == file.size

    @invariant()
    def what_tags_stand_for_is_there(self) -> None:
        history = self._history()
        assert all(history.holds(tag.version) for tag in history.tags())


Garbage.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestGarbage = Garbage.TestCase
