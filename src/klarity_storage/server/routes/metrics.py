"""/metrics."""

from __future__ import annotations

from litestar import Response, get

from klarity_storage.errors import ForbiddenError
from klarity_storage.server.catalog import metrics
from klarity_storage.server.http.authentication import Caller
from klarity_storage.server.http.documents import failures
from klarity_storage.server.metrics.count import CONTENT_TYPE


@get(
    "/metrics",
    tags=["server"],
    responses=failures(ForbiddenError),
    media_type="text/plain",
    sync_to_thread=True,
)
def get_metrics(context: Caller) -> Response[bytes]:
    """Get the server's figures in Prometheus' text format; takes an administrator."""
    return Response(metrics.read_metrics(context), media_type=CONTENT_TYPE)


ROUTES = [get_metrics]
