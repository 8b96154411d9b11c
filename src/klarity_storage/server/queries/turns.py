"""Whose query runs next: so many at once, so many of each caller, the longest waiting first."""

from __future__ import annotations

import asyncio
from collections import Counter

from klarity_storage.errors import BusyError
from klarity_storage.server.settings.sections import QuerySettings


class Turns:
    """For one event loop.

    A caller who asks for more than their share waits behind themselves, not before others.
    """

    def __init__(self, settings: QuerySettings) -> None:
        self._settings = settings
        self._running: Counter[str] = Counter()
        self._line: list[tuple[str, asyncio.Future[None]]] = []
        self.taken = 0
        """Turns that were given."""
        self.refused = 0
        """Queries that there was no turn for."""

    @property
    def running(self) -> int:
        return self._running.total()

    @property
    def waiting(self) -> int:
        return len(self._line)

    async def take(self, caller: str) -> None:
        """Wait until a query of this caller may run; ``give_back`` when it has.

        Raises:
            BusyError: too many of the caller's wait already, or it waited too long.
        """
        if self._may(caller):
            self._begin(caller)
            return
        waiting = sum(1 for each, _ in self._line if each == caller)
        if waiting >= self._settings.waiting:
            self.refused += 1
            raise BusyError(
                f"{waiting} queries of {caller} wait for their turn already.",
                hint="Wait for some of them, then ask again.",
            )
        turn = asyncio.get_running_loop().create_future()
        self._line.append((caller, turn))
        try:
            async with asyncio.timeout(self._settings.patience):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.give_back(caller)  # it came in the same moment
            else:
                self._line.remove((caller, turn))
            if isinstance(error, TimeoutError):
                self.refused += 1
                raise BusyError(
                    f"The server runs other queries: this one waited {self._settings.patience} s.",
                    hint="Ask again in a moment.",
                ) from None
            raise

    def give_back(self, caller: str) -> None:
        """Let the next one in line run."""
        self._running[caller] -= 1
        self._running += Counter()  # forgets those who have none
        for each, turn in list(self._line):
            if not turn.done() and self._may(each):
                self._line.remove((each, turn))
                self._begin(each)
                turn.set_result(None)

    def _begin(self, caller: str) -> None:
        self._running[caller] += 1
        self.taken += 1

    def _may(self, caller: str) -> bool:
        return (
            self._running.total() < self._settings.at_once
            and self._running[caller] < self._settings.each
        )
