"""One run of ``ks``: where it connects, and where its output goes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from klarity_storage.cli._output import Output

if TYPE_CHECKING:
    from klarity_storage import Storage


@dataclass
class Session:
    """What the global options chose."""

    at: str | None = None
    traceback: bool = False
    out: Output = field(default_factory=Output)
    interrupted: str = "Run the same command again when you are ready."
    """What Ctrl-C leaves behind, and how to go on."""
    _storage: Storage | None = None

    def connect(self) -> Storage:
        """The storage that this run speaks to: opened when first asked for, closed at the end."""
        if self._storage is None:
            import klarity_storage as ks

            root = click.get_current_context().find_root()
            root.call_on_close(_told_on_stderr(self.out))
            self._storage = ks.connect(self.at)
            root.call_on_close(self._storage.close)
        return self._storage


class _Talk(logging.Handler):
    """What the library says of itself, as talk of the command."""

    def __init__(self, out: Output) -> None:
        super().__init__(logging.INFO)
        self._out = out

    def emit(self, record: logging.LogRecord) -> None:
        self._out.say(record.getMessage())


def _told_on_stderr(out: Output) -> Callable[[], None]:
    """Let the library's own log be told until the function that is returned is called."""
    log, talk = logging.getLogger("klarity_storage"), _Talk(out)
    level, propagates = log.level, log.propagate
    log.addHandler(talk)
    log.setLevel(logging.INFO)
    log.propagate = False

    def end() -> None:
        log.removeHandler(talk)
        log.setLevel(level)
        log.propagate = propagates

    return end


pass_session = click.make_pass_decorator(Session, ensure=True)
