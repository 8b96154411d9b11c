"""Refusals that were recorded and are still to be told, at the address that was really asked for.

A proxy asks ahead whether a caller may read a version, or a file of a table. Of a no it learns a
number, with which it sends the caller's own request: that is answered with the refusal that stands
on record, instead of a second decision with a second line. The number is no right: all that it
leads to is this refusal, once, for the same request and bytes.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from klarity_storage.errors import (
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    StorageError,
    UnauthenticatedError,
)

HEADER: Final = "X-Klarity-Refusal"
"""Of the answer to who asks ahead, and of the request that follows."""

REFUSED: Final = (UnauthenticatedError, ForbiddenError, NotFoundError, RateLimitedError)
"""What a decision ends with that is no yes; whatever else fails is tried again."""

KEPT: Final = 1000
"""Refusals that wait to be told. One that is pushed out is decided, and recorded, once more."""

SECONDS: Final = 10.0
"""For which one waits: whoever asked ahead follows at once."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was refused in which request."""

    error: StorageError
    request_id: str
    target: str
    """The name, ``vision/datasets/cats``."""
    part: str
    """The version of it, or the file of a table."""
    known: bool
    """Whether the caller was: of who is not, nothing of the address is read."""


class Refusals:
    """The last refusals, each taken once; for one event loop.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: OrderedDict[str, tuple[float, Refusal]] = OrderedDict()

    def keep(self, refusal: Refusal) -> str:
        """Keep a refusal until it is told, and return its number, which nobody can guess."""
        error = refusal.error
        error.__traceback__ = error.__context__ = error.__cause__ = None  # frames, and all in them
        number = secrets.token_urlsafe(16)
        self._waiting[number] = (self._clock(), refusal)
        while len(self._waiting) > KEPT:
            self._waiting.popitem(last=False)
        return number

    def take(self, number: str, request_id: str) -> Refusal | None:
        """The refusal of that number, if it is one of this request and was not told yet."""
        at, refusal = self._waiting.pop(number, (0.0, None))
        if refusal is None or refusal.request_id != request_id or self._clock() > at + SECONDS:
            return None
        return refusal
