"""The answer for a file of a front end: headers for an application, bytes as for any file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from klarity_storage.errors import InternalError
from klarity_storage.server.files.answer import Plan, plan_answer
from klarity_storage.server.files.content import Content
from klarity_storage.server.files.describe import GUARDED
from klarity_storage.server.files.response import FileResponse
from klarity_storage.server.files.tree import tree_content
from klarity_storage.server.files.types import content_type
from klarity_storage.server.http.streaming import body_message
from klarity_storage.server.web.body import content_of, etag_of
from klarity_storage.server.web.find import Answered

if TYPE_CHECKING:
    from klarity_storage.server.services import Services

FOREVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"
PAGE: Final = {
    # an application runs: only what no application needs is kept from it
    "Content-Security-Policy": "frame-ancestors 'self'; base-uri 'self'; object-src 'none'",
    "Referrer-Policy": "strict-origin-when-cross-origin",
}
"""On pages; the application's own policy belongs into its HTML."""


class HeldResponse(ASGIResponse):
    """What is in memory, as it was planned."""

    def __init__(self, plan: Plan, data: bytes) -> None:
        super().__init__(status_code=plan.status)
        self._plan = plan
        self._data = data

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all of it."""
        del receive  # nobody waits for what is there at once
        headers = [(name.encode(), value.encode()) for name, value in self._plan.headers.items()]
        await send({"type": "http.response.start", "status": self._plan.status, "headers": headers})
        sent = b"" if scope["method"] == "HEAD" else self._body()  # type: ignore[typeddict-item]
        await send(body_message(sent, more=False))

    def _body(self) -> bytes:
        if self._plan.whole:
            return self._data
        return b"".join(
            part if isinstance(part, bytes) else self._data[part.start : part.end]
            for part in self._plan.sections
        )


def answer_page(
    services: Services, found: Answered, headers: Mapping[str, str], method: str
) -> ASGIResponse:
    """The response for a file.

    Raises:
        RangeNotSatisfiableError: the range cannot be served.
        PreconditionFailedError: the caller wants another state of the file.
    """
    content = _content(services, found)
    plan = plan_answer(content, headers, method)
    plan = replace(plan, headers=_headers(found, plan))
    if found.body.data is not None:
        return HeldResponse(plan, found.body.data)
    files = services.files
    return FileResponse(content, plan, files.budget, files.settings.stall)


def _content(services: Services, found: Answered) -> Content:
    body, asset = found.body, found.asset
    if asset is not None and body.data is None:
        whole = tree_content(services, asset.store, asset.commit, asset.name, asset.file)
        described = replace(whole, etag=etag_of(body), lasting=found.lasting)
        return content_of(asset, body, described) if body.coding else described
    return Content(
        store=services.buckets.main.store,  # nothing is read of it
        path=found.path,
        size=body.size,
        etag=etag_of(body),
        media_type=content_type(found.path),
        lasting=found.lasting,
        sha256=body.sha256,
        parts=lambda *_: iter(()),
        damaged=lambda: InternalError("What is in memory needs no reading."),
    )


def _headers(found: Answered, plan: Plan) -> dict[str, str]:
    """As of any file, but for what holds of data alone: readers are anybody, and scripts run."""
    headers = {
        name: value
        for name, value in plan.headers.items()
        if name not in GUARDED and name != "Content-Disposition"
    }
    headers["Cache-Control"] = FOREVER if found.lasting else ASK_AGAIN
    headers["X-Content-Type-Options"] = "nosniff"
    if found.varies:
        headers["Vary"] = "Accept-Encoding"
    if found.body.coding and plan.status != 304:
        headers["Content-Encoding"] = found.body.coding
    return headers | (PAGE if found.page else {})
