"""No order of two switches of one deployment takes away the pin of a version that is kept."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import product
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from obstore.store import MemoryStore

from control_fixture import Control, MemoryEngine
from klarity_storage.errors import ConflictError
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.log import Commit, Pin, Unpin
from klarity_storage.server.catalog.histories import Histories
from klarity_storage.server.context import Context
from klarity_storage.server.rights.actor import Actor
from klarity_storage.server.settings.sections import WebSettings
from klarity_storage.server.web.keep import holder_of
from klarity_storage.server.web.releases import Shown, kept_releases, read_releases, versions_of
from klarity_storage.server.web.service import WebService
from klarity_storage.server.web.switch import Switch, switch
from klarity_storage.versions import append, history
from klarity_storage.versions.delete import delete_version
from klarity_storage.versions.history import History, read_history
from klarity_storage.versions.log import append_entry, read_entries

DEPLOYMENT = Name("site", Kind.ARTEFACTS, "prod.deployment")
APP = Name("site", Kind.ARTEFACTS, "front")
KEPT = 2
"""Releases that can be rolled back to."""
PATIENCE = 30


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def shown(text: str | None) -> Shown:
    return Shown((APP, hash_of(text)) if text else None)


class Turn:
    """One of the switches: a thread that waits before each look at a log and each write to one."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act
        self._go, self._stands = threading.Semaphore(0), threading.Semaphore(0)
        self.ended = False
        self.steps = 0
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        assert self._go.acquire(timeout=PATIENCE)
        try:
            self._act()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        self.ended = True
        self._stands.release()

    def step(self) -> None:
        """Let it go on to its next look or write."""
        self.steps += 1
        self._go.release()
        assert self._stands.acquire(timeout=PATIENCE)

    def wait(self) -> None:
        """Called by the thread: stand still until the next step."""
        if threading.current_thread() is self._thread:
            self._stands.release()
            assert self._go.acquire(timeout=PATIENCE)


@dataclass(frozen=True)
class Site:
    """A deployment with a history, over logs in memory."""

    store: MemoryStore
    context: Context
    known: dict[Name, History]

    def switch(self, wanted: Switch) -> None:
        switch(self.context, DEPLOYMENT, wanted)

    def log(self, name: Name) -> History:
        self.known[name] = read_history(self.store, name, self.known.get(name))
        return self.known[name]

    def kept(self) -> set[str]:
        entries = read_releases(self.log(DEPLOYMENT))
        return {version for _, version in versions_of(kept_releases(entries, KEPT))}

    def held(self) -> set[str]:
        log = self.log(APP)
        return {v for v in log.pinned if holder_of(DEPLOYMENT) in log.holders(v)}

    def at_once(self, one: Switch, other: Switch, begun: int, cut: int) -> tuple[Turn, Turn]:
        """One begins, the other one cuts in, one ends, the other one ends; pins hold all along."""
        turns = (Turn(partial(self.switch, one)), Turn(partial(self.switch, other)))
        with self.gates(turns):
            for turn, steps in zip((*turns, *turns), (begun, cut, 999, 999), strict=True):
                for _ in range(steps):
                    if turn.ended:
                        break
                    turn.step()
                    assert self.kept() <= self.held()
        return turns

    @staticmethod
    @contextmanager
    def gates(turns: tuple[Turn, ...]) -> Iterator[None]:
        def gated(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*given: Any, **more: Any) -> Any:
                for turn in turns:
                    turn.wait()
                return real(*given, **more)

            return call

        with (
            patch.object(history, "read_entries", gated(read_entries)),
            patch.object(append, "append_entry", gated(append_entry)),
        ):
            yield


@pytest.fixture
def site(control: Control, memory_engine: MemoryEngine) -> Callable[[], Site]:
    """Makes sites, each with the versions a to e, of which a, b and c were shown in turn."""
    control.space("site")
    web = WebService(WebSettings(releases=KEPT))
    actor = Actor("ana", "Ana", administrator=False)
    store = memory_engine.store
    assert isinstance(store, MemoryStore)

    known: dict[Name, History] = {}

    def fresh() -> Site:
        histories = Histories()
        for log in known.values():  # or all of it would be read each time
            histories._keep(log, 0.0)
        services = replace(control.services, histories=histories, web=web)
        return Site(store, Context(services, actor, "deploy_front_end", "none"), dict(known))

    first = fresh()
    for number, text in enumerate("abcde"):
        append_entry(store, APP, number, commit(text))
    for text in "abc":
        first.switch(Switch(shown(text)))
    assert first.kept() == first.held() == {hash_of("b"), hash_of("c")}
    known.update(first.known)
    begin = {key: store.get(key).bytes() for key in keys(store)}

    def make() -> Site:
        store.delete(keys(store))
        for key, data in begin.items():
            store.put(key, data)
        return fresh()

    return make


def keys(store: MemoryStore) -> list[str]:
    return [item["path"] for batch in store.list("site/") for item in batch]


def commit(text: str) -> Commit:
    return Commit(
        at=datetime.now(UTC),
        by="user:ana",
        write_id=uuid4().hex,
        version=hash_of(text),
        manifest=f"manifest-{hash_of(text)}.parquet",
        files=1,
        bytes=1,
        objects=[],
    )


TAKEN_DOWN = Switch(Shown(None))
FAILS = Switch(shown("a"), expected=hash_of("none"))
CASES = {
    "lets go of what the other shows": (Switch(shown("d")), Switch(shown("b"))),
    "shows the same": (Switch(shown("a")), Switch(shown("a"))),
    "takes down what the other shows": (TAKEN_DOWN, Switch(shown("c"))),
    "goes on, the other takes down": (Switch(shown("d")), TAKEN_DOWN),
    "fails with what the other shows": (FAILS, Switch(shown("a"))),
}


@pytest.mark.parametrize(("one", "other"), CASES.values(), ids=CASES)
def test_what_is_kept_is_pinned_whoever_cuts_in_where(
    site: Callable[[], Site], one: Switch, other: Switch
) -> None:
    lengths = [steps_of(site(), each) for each in (one, other)]
    assert min(lengths) > 3
    for begun, cut in product(*map(range, lengths)):
        made = site()
        errors = [turn.error for turn in made.at_once(one, other, begun, cut) if turn.error]
        assert all(isinstance(error, ConflictError) for error in errors), errors
        assert len(errors) <= (one is FAILS)
        made.switch(Switch(shown("e")))
        assert made.held() == made.kept()  # and nothing stays pinned for good


def steps_of(site: Site, wanted: Switch) -> int:
    """The looks at logs and writes to them that a switch makes by itself."""
    turn = Turn(partial(site.switch, wanted))
    with site.gates((turn,)):
        while not turn.ended:
            turn.step()
    return turn.steps


def test_what_was_taken_down_is_kept_again_with_its_last_releases(
    site: Callable[[], Site],
) -> None:
    made = site()
    made.switch(TAKEN_DOWN)
    assert made.held() == set()
    delete_version(made.store, APP, hash_of("b"), by="user:ana")
    made.switch(Switch(shown("d")))
    assert made.held() == {hash_of("c"), hash_of("d")}
    made.switch(TAKEN_DOWN)
    made.switch(Switch(shown("d")))  # b is gone, and keeps nobody from deploying
    assert made.held() == {hash_of("c"), hash_of("d")}


def test_what_is_kept_already_is_not_pinned_again(site: Callable[[], Site]) -> None:
    made = site()
    length = read_history(made.store, APP).length
    for text in "bcbc":
        made.switch(Switch(shown(text)))
    assert read_history(made.store, APP).length == length


def test_pins_of_older_logs_are_let_go(site: Callable[[], Site]) -> None:
    made = site()
    old = Pin(
        at=datetime.now(UTC),
        by="user:ana",
        write_id=uuid4().hex,
        version=hash_of("a"),
        holder=holder_of(DEPLOYMENT),
    )
    number = read_history(made.store, APP).length
    append_entry(made.store, APP, number, old)
    assert hash_of("a") in made.held()
    made.switch(Switch(shown("d")))
    assert made.held() == made.kept()
    every = Unpin(
        at=datetime.now(UTC),
        by="user:ana",
        write_id=uuid4().hex,
        version=hash_of("d"),
        holder=holder_of(DEPLOYMENT),
    )
    append_entry(made.store, APP, read_history(made.store, APP).length, every)
    assert made.held() == made.kept() - {hash_of("d")}
