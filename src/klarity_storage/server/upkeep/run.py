"""Do what is due, round after round, beside the requests."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from klarity_storage.errors import StorageError
from klarity_storage.server.services import Services
from klarity_storage.server.upkeep.count import count_due
from klarity_storage.server.upkeep.expire import expire_due
from klarity_storage.server.upkeep.leases import LASTING, Lease
from klarity_storage.server.upkeep.move import move_due

_LOG = logging.getLogger(__name__)

EVERY: Final = 10.0
"""Seconds between two rounds."""

RENEWED_EVERY: Final = LASTING.total_seconds() / 4

GoOn = Callable[[], bool]
"""Asked between two steps: no when the server stops, or another one does this now."""

Job = Callable[[Services, GoOn], None]

JOBS: Final[tuple[Job, ...]] = (move_due, expire_due, count_due)


async def keep_up(services: Services) -> None:
    """Do a round every few seconds until the task is cancelled."""
    stopping = threading.Event()
    lease = Lease(services.database, "upkeep")
    try:
        while True:
            await asyncio.to_thread(do_round, services, lease, stopping)
            await asyncio.sleep(EVERY)
    finally:
        stopping.set()


def do_round(services: Services, lease: Lease, stopping: threading.Event | None = None) -> None:
    """Do each job once, if this server is the one to do it."""
    renewed = time.monotonic()

    def go_on() -> bool:
        nonlocal renewed
        if stopping is not None and stopping.is_set():
            return False
        if time.monotonic() < renewed + RENEWED_EVERY:
            return True
        renewed = time.monotonic()
        return lease.take()

    try:
        if not lease.take():
            return
        for job in JOBS:
            if go_on():
                _do(job, services, go_on)
        lease.give_back()
    except StorageError as error:  # the database does not answer: the next round may find it
        _LOG.warning("upkeep waits: %s", error)


def _do(job: Job, services: Services, go_on: GoOn) -> None:
    try:
        job(services, go_on)
    except StorageError as error:
        _LOG.warning("%s is tried again: %s", job.__name__, error)
    except Exception:  # noqa: BLE001 - a defect of one job is no reason to leave the others
        _LOG.exception("%s failed, and is tried again", job.__name__)
