"""A port of its own for figures, on which nothing else is answered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import start_http_server

from klarity_storage.errors import ConfigurationError, ConflictError
from klarity_storage.server.metrics.count import Metrics
from klarity_storage.server.settings.sections import MetricsSettings

_TAKEN: Final = 98


@contextmanager
def shown_metrics(settings: MetricsSettings, metrics: Metrics) -> Iterator[str | None]:
    """Show the figures as long as the context lasts, and yield their address, if any.

    Raises:
        ConflictError: somebody else listens there.
        ConfigurationError: there is no such address.
    """
    if settings.port is None:
        yield None
        return
    try:
        server, thread = start_http_server(settings.port, settings.host, registry=metrics.registry)
    except OSError as error:
        cls = ConflictError if error.errno == _TAKEN else ConfigurationError
        raise cls(
            f"The figures cannot be shown on port {settings.port} of {settings.host}: "
            f"{error.strerror}.",
            hint="Check metrics.host and metrics.port.",
        ) from error
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        yield f"http://{host}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
