"""How fast tokens can be guessed: so many a minute from one address, or of one beginning."""

from __future__ import annotations

import hashlib
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from klarity_storage.errors import RateLimitedError, UnauthenticatedError

DEFAULT: Final = 60
"""Guesses a minute."""

REMEMBERED: Final = 10_000
"""Addresses, beginnings and good tokens that are kept in mind, each: a megabyte or two."""

_BEGINNING: Final = len("ks_") + 8
_IPV6_NETWORK: Final = 64
"""The bits of an IPv6 address that a provider gives to one customer."""


class Guesses:
    """Counts tokens that are not good; for one event loop.

    A token that was good here before is never refused, so nobody is locked out by the guessing of
    somebody else at the same address. Nor does a token with one letter wrong have to be near a
    good one: what is counted by its beginning is how often that beginning was tried, from anywhere.

    Args:
        a_minute: how many are let pass, at once and in each minute; 0 counts nothing.
        clock: seconds that only grow.
    """

    def __init__(
        self, a_minute: int = DEFAULT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = a_minute
        self._clock = clock
        self._tried: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._good: OrderedDict[bytes, None] = OrderedDict()

    @contextmanager
    def watched(self, address: str, secret: str) -> Iterator[None]:
        """Find out in the context whose token it is: what raises UnauthenticatedError is a guess.

        Raises:
            RateLimitedError: there were too many; nothing is looked up.
        """
        digest = hashlib.sha256(secret.encode(errors="replace")).digest()
        known = not self._most or digest in self._good
        keys = [] if known else _keys(address, secret)
        if wait := max((self._wait(key) for key in keys), default=0):
            raise RateLimitedError(
                "Too many tokens that are not good came from this address, or were like this one.",
                hint=f"Wait {wait} s, then log in again: ks login.",
                retry_after=wait,
            )
        self._count(keys, 1)  # before it is looked up, or a thousand at once would all pass
        try:
            yield
        except UnauthenticatedError:
            self._good.pop(digest, None)
            raise
        except BaseException:
            self._count(keys, -1)
            raise
        self._count(keys, -1)
        if self._most:
            self._good[digest] = None
            _keep(self._good)

    def _wait(self, key: str) -> int:
        """Seconds until one more is let pass."""
        over = self._level(key) + 1 - self._most
        return math.ceil(over * 60 / self._most) if over > 0 else 0

    def _count(self, keys: list[str], number: int) -> None:
        for key in keys:
            level = max(0.0, self._level(key) + number)
            self._tried.pop(key, None)
            if level:
                self._tried[key] = (level, self._clock())
        _keep(self._tried)

    def _level(self, key: str) -> float:
        """How many count now: each minute takes as many away as it allows."""
        level, at = self._tried.get(key, (0.0, 0.0))
        return max(0.0, level - (self._clock() - at) * self._most / 60)


def _keys(address: str, secret: str) -> list[str]:
    keys = [f"from {_network(address)}"]
    if secret.startswith("ks_"):  # JWTs all begin alike
        keys.append(f"like {secret[:_BEGINNING]}")
    return keys


def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return address
    return str(ipaddress.ip_network((found, _IPV6_NETWORK), strict=False))


def _keep(kept: OrderedDict[Any, Any]) -> None:
    while len(kept) > REMEMBERED:
        kept.popitem(last=False)
