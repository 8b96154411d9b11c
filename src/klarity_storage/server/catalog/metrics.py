"""The server's figures."""

from __future__ import annotations

from klarity_storage.server.context import Context
from klarity_storage.server.rights.decide import Action
from klarity_storage.server.rights.require import require
from klarity_storage.server.rights.targets import Server


def read_metrics(context: Context) -> bytes:
    """All figures in Prometheus' text format.

    Raises:
        ForbiddenError: the caller is no administrator.
    """
    require(context, Action.OWN, Server())
    return context.services.metrics.text()
