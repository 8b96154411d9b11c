"""What is known of the histories of names, so that only what is new is read again."""

from __future__ import annotations

import threading
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
        self._lock = threading.Lock()

    def read(self, store: ObjectStore, name: Name) -> History:
        """The history of a name as its log stands now; empty when nothing was committed.

        Raises:
            UnavailableError: the engine does not answer.
        """
        history = read_history(store, name, self.known(name))
        if history.length:
            self._keep(history)
        return history

    def known(self, name: Name) -> History | None:
        """What was last read of a name."""
        with self._lock:
            return self._known.get(name)

    def _keep(self, history: History) -> None:
        with self._lock:
            known = self._known.get(history.name)
            if known is None or known.length <= history.length:
                self._known[history.name] = history
            self._known.move_to_end(history.name)
            while len(self._known) > self._size:
                self._known.popitem(last=False)
