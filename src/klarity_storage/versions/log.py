"""The log of a name: numbered entries, each written once with If-None-Match.

The log is the truth of a name. An entry is ``_log/<20 digits>.json``, and entries are numbered from
0 without a gap.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import msgspec
from obstore.store import ObjectStore

from klarity_storage.errors import (
    AlreadyExistsError,
    IntegrityError,
    NotFoundError,
    UnavailableError,
)
from klarity_storage.layout import Name, parse_log_key
from klarity_storage.protocol.log import Action
from klarity_storage.versions.engine_errors import told_as_ours

_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[Action] = msgspec.json.Decoder(Action)
_READERS = 16


def read_entries(store: ObjectStore, name: Name, after: int = -1) -> list[tuple[int, Action]]:
    """The entries of a log behind number ``after``, in order.

    Raises:
        IntegrityError: an entry is missing or cannot be read.
    """
    numbers = sorted(_numbers(store, name, after))
    for previous, number in pairwise([after, *numbers]):
        if number != previous + 1:
            raise IntegrityError(f"Entry {previous + 1} of the log of {name} is missing.")
    if len(numbers) <= 1:
        return [(number, read_entry(store, name, number)) for number in numbers]
    with ThreadPoolExecutor(min(_READERS, len(numbers)), "ks-log") as pool:
        return list(
            zip(numbers, pool.map(lambda n: read_entry(store, name, n), numbers), strict=True)
        )


def read_entry(store: ObjectStore, name: Name, number: int) -> Action:
    """One entry, or NotFoundError."""
    with told_as_ours(f"entry {number} of the log of {name}"):
        data = store.get(name.log_key(number)).bytes()
    try:
        return _DECODER.decode(data)
    except msgspec.MsgspecError as error:
        raise IntegrityError(
            f"Entry {number} of the log of {name} cannot be read: {error}."
        ) from error


def append_entry(store: ObjectStore, name: Name, number: int, action: Action) -> bool:
    """Write an entry if nobody has written one of that number.

    A conditional PUT whose answer was lost looks like a conflict with oneself, so on a conflict the
    entry that stands is read back, and its ``write_id`` says whose it is.

    Returns:
        Whether the entry that stands now is this one.

    Raises:
        UnavailableError: storage does not answer, and nobody knows whether it was written.
    """
    try:
        with told_as_ours(f"entry {number} of the log of {name}"):
            store.put(name.log_key(number), _ENCODER.encode(action), mode="create")
    except AlreadyExistsError:
        return read_entry(store, name, number).write_id == action.write_id
    except UnavailableError:
        try:
            return read_entry(store, name, number).write_id == action.write_id
        except NotFoundError:
            pass
        raise
    return True


def has_entries(store: ObjectStore, name: Name) -> bool:
    """Whether anything was ever committed under a name: its first entry stands."""
    try:
        with told_as_ours(f"the log of {name}"):
            store.head(name.log_key(0))
    except NotFoundError:
        return False
    return True


def _numbers(store: ObjectStore, name: Name, after: int) -> Iterator[int]:
    offset = name.log_key(after) if after >= 0 else None
    with told_as_ours(f"the log of {name}"):
        for page in store.list(name.log_prefix, offset=offset):
            for meta in page:
                number = parse_log_key(meta["path"])
                if number is not None:
                    yield number
