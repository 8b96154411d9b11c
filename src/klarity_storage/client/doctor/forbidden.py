"""What keys that the server gives out must not do: each is tried, and must be refused."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple

from obstore.exceptions import BaseError
from obstore.store import S3Store

from klarity_storage.client.doctor.check import Check, failed, passed
from klarity_storage.errors import ForbiddenError, StorageError, UnavailableError
from klarity_storage.layout import Kind, Name
from klarity_storage.versions.engine_errors import told_as_ours

REMEDY: Final = (
    "Tell whoever runs the server at once: its engine does not hold keys to their session policy, "
    "so that rights are not enforced there."
)


@dataclass(frozen=True)
class Ground:
    """What trials stand on."""

    name: Name
    reading: S3Store
    """Keys to read that name."""
    foreign: str | None
    """An object of another name; a key at which there is none is tried without it."""
    written: Name | None
    writing: S3Store | None
    """Keys to write that one, below ``folder``."""
    folder: str


class _Trial(NamedTuple):
    what: str
    """What the keys must not do."""
    act: Callable[[], object]
    undo: Callable[[], object] | None = None
    """For what an engine that is too open leaves."""


def check_forbidden(ground: Ground) -> Iterator[Check]:
    """Try everything that is forbidden, and undo what should not have worked."""
    for trial in [*_with_keys_to_read(ground), *_with_keys_to_write(ground)]:
        yield _judge(trial)


def _with_keys_to_read(ground: Ground) -> Iterator[_Trial]:
    store, name = ground.reading, ground.name
    foreign = ground.foreign or f"{_sibling(name)}object"
    inside = f"{name.prefix}{_unused()}"
    yield _Trial("list the bucket", lambda: _list(store, None))
    yield _Trial("list another prefix", lambda: _list(store, f"{foreign.rpartition('/')[0]}/"))
    yield _Trial("list a prefix that begins alike", lambda: _list(store, _sibling(name)))
    yield _Trial("read a foreign object", lambda: store.get(foreign))
    yield _writing_trial("write with keys to read", store, inside)
    yield _Trial("delete with keys to read", lambda: store.delete(inside))


def _with_keys_to_write(ground: Ground) -> Iterator[_Trial]:
    store, name = ground.writing, ground.written
    if store is None or name is None:
        return
    beside = name.prefix if name.kind is not Kind.TABLES else _sibling(name)
    inside = f"{ground.folder}{_unused()}"
    yield _writing_trial("write outside of what they are for", store, f"{beside}{_unused()}")
    yield _writing_trial("write to another name", store, f"{_sibling(name)}{_unused()}")
    yield _Trial("delete with keys to write", lambda: store.delete(inside))
    if ground.foreign is not None:
        foreign = ground.foreign
        yield _Trial(
            "copy a foreign object",
            lambda: store.copy(foreign, inside),
            lambda: store.delete(inside),
        )


def _writing_trial(what: str, store: S3Store, key: str) -> _Trial:
    return _Trial(
        what,
        lambda: store.put(key, b"", mode="create", use_multipart=False),
        lambda: store.delete(key),
    )


def _judge(trial: _Trial) -> Check:
    name = f"must not {trial.what}"
    try:
        with told_as_ours("what it must not give"):
            trial.act()
    except ForbiddenError:
        return passed(name, "refused")
    except UnavailableError as error:
        return failed(name, f"could not be tried: {error.message}", "ks doctor again.")
    except StorageError:
        pass  # not there, or there already: it was let to look
    if trial.undo is not None:
        with suppress(BaseError, OSError):
            trial.undo()
    return failed(name, "the engine let it happen", REMEDY)


def _list(store: S3Store, prefix: str | None) -> None:
    next(iter(store.list(prefix=prefix, chunk_size=1)), None)


def _sibling(name: Name) -> str:
    """``vision/datasets/cats-ks-doctor/``: no prefix of the name's, though its text begins so."""
    return f"{name.prefix.rstrip('/')}-ks-doctor/"


def _unused() -> str:
    return f"ks-doctor-{secrets.token_hex(8)}"
