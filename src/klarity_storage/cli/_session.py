"""One run of ``ks``: where it connects, and where its output goes."""

from __future__ import annotations

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

            self._storage = ks.connect(self.at)
            click.get_current_context().find_root().call_on_close(self._storage.close)
        return self._storage


pass_session = click.make_pass_decorator(Session, ensure=True)
