"""What is known of the histories of names, so that only what is new is read again."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from obstore.store import ObjectStore

from klarity_storage.layout import Name
from klarity_storage.versions.history import History, read_history


class Histories:
    """The histories that were asked for last.

    A history never changes, so one that is out of date is only a shorter one: the log is asked for
    what came after it every time, and two requests may refresh the same one at once.
    """

    def __init__(self, size: int = 512) -> None:
        self._size = size
        self._known: OrderedDict[Name, History] = OrderedDict()
        self._asked: dict[Name, float] = {}
        self._lock = threading.Lock()

    def read(self, store: ObjectStore, name: Name, *, within: float = 0.0) -> History:
        """The history of a name as its log stands now; empty when nothing was committed.

        Args:
            store: the bucket.
            name: whose.
            within: seconds for which what the log said last is good enough.

        Raises:
            UnavailableError: the engine does not answer.
        """
        asked = time.monotonic()
        if within and (recent := self.recent(name, within)) is not None:
            return recent
        history = read_history(store, name, self.known(name))
        if history.length:
            self._keep(history, asked)
        return history

    def recent(self, name: Name, within: float) -> History | None:
        """What the log of a name said within so many seconds, where it was asked."""
        asked = self._asked.get(name)
        return self.known(name) if asked is not None and time.monotonic() < asked + within else None

    def outdate(self, name: Name) -> None:
        """Ask the log next time in any case: something was taken out of the history."""
        with self._lock:
            self._asked.pop(name, None)

    def known(self, name: Name) -> History | None:
        """What was last read of a name."""
        with self._lock:
            return self._known.get(name)

    def _keep(self, history: History, asked: float) -> None:
        with self._lock:
            self._asked[history.name] = asked
            known = self._known.get(history.name)
            if known is None or known.length <= history.length:
                self._known[history.name] = history
            self._known.move_to_end(history.name)
            while len(self._known) > self._size:
                gone, _ = self._known.popitem(last=False)
                self._asked.pop(gone, None)
