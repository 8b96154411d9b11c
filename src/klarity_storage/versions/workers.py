"""Run the same step on many things at once, and stop at the first failure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Stopped(Exception):  # noqa: N818 - no error: nobody wants the result any more
    """A step saw that it was to stop."""


def run_all(
    step: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    workers: int,
    stop: threading.Event | None = None,
) -> list[Result]:
    """The results of ``step``, in the order of the items, at most ``workers`` at once.

    At the first failure, or when the caller is interrupted, no further step begins, those under way
    come to their end, and the failure is raised. Long steps look at ``stop``, which is set then.
    """
    queue = enumerate(items)
    results: dict[int, Result] = {}
    pool = ThreadPoolExecutor(workers, "ks-worker")
    try:
        running = {pool.submit(step, item): at for at, item in islice(queue, 2 * workers)}
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                results[running.pop(future)] = future.result()
            running |= _submit(pool, step, islice(queue, len(done)))
    except BaseException:
        if stop is not None:
            stop.set()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return [results[at] for at in sorted(results)]


def _submit(
    pool: ThreadPoolExecutor, step: Callable[[Item], Result], items: Iterable[tuple[int, Item]]
) -> dict[Future[Result], int]:
    return {pool.submit(step, item): at for at, item in items}
