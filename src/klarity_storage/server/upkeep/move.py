"""Move spaces from one bucket to another, step by step; see `buckets.moves`."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from klarity_storage.errors import StorageError
from klarity_storage.protocol.spaces import Phase
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.buckets.copy import Copier, clear
from klarity_storage.server.buckets.moves import MoveRow
from klarity_storage.server.services import Services

TURN: Final = 60.0
"""Seconds after which other jobs have their turn; the next round goes on."""

BATCH: Final = 64
"""Objects between two looks whether to go on."""

GoOn = Callable[[], bool]


def move_due(services: Services, go_on: GoOn) -> None:
    """Take every move a step further."""
    for move in services.moves.all():
        if not go_on():
            return
        try:
            _step(services, move, _for_a_turn(go_on))
        except StorageError as error:
            services.moves.note(move.space, 0, 0, error.message)
            raise


def _for_a_turn(go_on: GoOn) -> GoOn:
    end = time.monotonic() + TURN
    return lambda: time.monotonic() < end and go_on()


def _step(services: Services, move: MoveRow, go_on: GoOn) -> None:
    source, target = (services.buckets.named(name) for name in (move.source, move.target))
    match move.phase:
        case Phase.COPYING:
            # what lies there is copied while keys to write end: the last pass has little to do
            if _copy(services, move, source, target, go_on) and services.moves.finish_writes(
                move.space
            ):
                _finish(services, move, source, target, go_on)
        case Phase.FINAL:
            _finish(services, move, source, target, go_on)
        case Phase.CLEARING:
            if move.clear_after is None or move.clear_after > datetime.now(UTC):
                return
            for upload in source.engine.uploads.under(f"{move.space}/"):
                source.engine.uploads.abort(upload)
            _clear(services, move, source, go_on)
        case Phase.UNDOING:
            _clear(services, move, target, go_on)


def _finish(services: Services, move: MoveRow, source: Bucket, target: Bucket, go_on: GoOn) -> None:
    """The last pass: nothing is written any more, so once both are the same they stay so."""
    if _copy(services, move, source, target, go_on) and _are_same(services, move, source, target):
        services.moves.switch(move, target)
        services.moves.copiers.pop((move.space, source.name, target.name), None)


def _copy(services: Services, move: MoveRow, source: Bucket, target: Bucket, go_on: GoOn) -> bool:
    """Copy what the target lacks; False when it was stopped before the end."""
    copier = _copier(services, move, source, target)
    for lacking, beyond in copier.differ(move.space):
        if beyond:
            # asked after the listing: a server that fell behind must not take for superfluous what
            # was written since another one has finished the move
            if not services.moves.goes_on(move.space):
                return False
            copier.delete(beyond)
        for at in range(0, len(lacking), BATCH):
            batch = lacking[at : at + BATCH]
            if not (go_on() and services.moves.goes_on(move.space)):
                return False
            copied = copier.copy(batch, go_on)
            services.moves.note(move.space, copied.bytes, copied.objects)
            if copied.objects < len(batch) and not go_on():
                return False
    return True


def _are_same(services: Services, move: MoveRow, source: Bucket, target: Bucket) -> bool:
    found = _copier(services, move, source, target).differ(move.space)
    return not any(lacking or beyond for lacking, beyond in found)


def _copier(services: Services, move: MoveRow, source: Bucket, target: Bucket) -> Copier:
    key = (move.space, source.name, target.name)
    return services.moves.copiers.setdefault(key, Copier(source.store, target.store))


def _clear(services: Services, move: MoveRow, bucket: Bucket, go_on: GoOn) -> None:
    if clear(bucket.store, move.space, go_on):
        services.moves.end(move.space, move.phase)
