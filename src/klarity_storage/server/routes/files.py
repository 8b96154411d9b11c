"""/files: the bytes of versions, tables and rows' binaries over HTTPS."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, Router, get, route
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from litestar.response.base import ASGIResponse

from klarity_storage.errors import (
    FileMissingError,
    IntegrityError,
    InvalidInputError,
    NotAnImageError,
    PreconditionFailedError,
    RangeNotSatisfiableError,
    TableNotFoundError,
    UnreadableImageError,
    VersionNotFoundError,
)
from klarity_storage.protocol.files import FolderPage
from klarity_storage.server.context import Context
from klarity_storage.server.files.address import Address, ObjectAddress, TreeAddress, parse_address
from klarity_storage.server.files.answer import plan_answer
from klarity_storage.server.files.caller import know_the_reader_or_refusal, tell_refusal
from klarity_storage.server.files.conditions import Answer, decide_answer
from klarity_storage.server.files.content import Content, Found, Listed, Moved
from klarity_storage.server.files.describe import (
    ASK_AGAIN,
    FOREVER,
    GUARDED,
    content_disposition,
)
from klarity_storage.server.files.folders import MOST, USUAL, Page
from klarity_storage.server.files.objects import find_object
from klarity_storage.server.files.response import FileResponse
from klarity_storage.server.files.tree import find_at_hand, find_in_tree
from klarity_storage.server.http.authentication import Caller, context_of
from klarity_storage.server.http.documents import failures
from klarity_storage.server.http.failures import answer_failure
from klarity_storage.server.thumbnails.service import MEDIA_TYPE, Width

_TREE: Final = "/{space:str}/{kind:str}/{name:str}/{version:str}"
_TABLE: Final = "/{space:str}/tables/{table:str}"
_ROWS: Final = "/{space:str}/raw_binary/{table:str}"

Limit = Annotated[int, QueryParameter(ge=1, le=MOST, description="Entries of a listing's page.")]
Recursive = Annotated[bool, QueryParameter(description="List the files in folders too.")]
After = Annotated[str, QueryParameter(description="The entry that a listing's page comes behind.")]
Thumbnail = Annotated[
    Width | None, QueryParameter(description="A WebP that fits into a square of so many pixels.")
]
Download = Annotated[bool, QueryParameter(description="Let browsers save the file.")]

_FAILURES: Final = (
    PreconditionFailedError,
    RangeNotSatisfiableError,
    FileMissingError,
    IntegrityError,
)
_BYTES: Final = {
    200: ResponseSpec(
        bytes, generate_examples=False, description="The file, verified.", media_type="*/*"
    ),
    206: ResponseSpec(
        bytes, generate_examples=False, description="Ranges of it.", media_type="*/*"
    ),
}
_LIST: Final = {
    200: ResponseSpec(FolderPage, generate_examples=False, description="What stands there.")
}
_OF_VERSIONS: Final = failures(
    VersionNotFoundError, NotAnImageError, UnreadableImageError, *_FAILURES
)
_OF_TABLES: Final = failures(TableNotFoundError, *_FAILURES)


async def read_file(
    context: Caller,
    request: Request[Context, Any, Any],
    *,
    after: After = "",
    limit: Limit = USUAL,
    recursive: Recursive = False,
    download: Download = False,
    thumbnail: Thumbnail = None,
) -> ASGIResponse:
    """Read a file of a version, or a thumbnail of it, or list a folder.

    A tag, `latest` or the beginning of a hash redirects to the whole hash. An address that ends in
    a slash is a folder's.
    """
    return await _serve(context, request, Page(after, limit, recursive), download, thumbnail)


async def list_version_files(
    context: Caller,
    request: Request[Context, Any, Any],
    after: After = "",
    limit: Limit = USUAL,
    recursive: Recursive = False,
) -> ASGIResponse:
    """List the top of a version, or all its files."""
    return await _serve(context, request, Page(after, limit, recursive))


async def read_table_file(
    context: Caller,
    request: Request[Context, Any, Any],
    after: After = "",
    limit: Limit = USUAL,
    download: Download = False,
) -> ASGIResponse:
    """Read a file of a table: Parquet, or its log."""
    return await _serve(context, request, Page(after, limit), download)


async def list_table_files(
    context: Caller, request: Request[Context, Any, Any], after: After = "", limit: Limit = USUAL
) -> ASGIResponse:
    """List the objects of a table."""
    return await _serve(context, request, Page(after, limit))


async def read_row_binary(
    context: Caller,
    request: Request[Context, Any, Any],
    after: After = "",
    limit: Limit = USUAL,
    download: Download = False,
) -> ASGIResponse:
    """Read a binary of a table's row, or list those of the row."""
    return await _serve(context, request, Page(after, limit), download)


async def list_row_binaries(
    context: Caller, request: Request[Context, Any, Any], after: After = "", limit: Limit = USUAL
) -> ASGIResponse:
    """List the binaries of a table's rows."""
    return await _serve(context, request, Page(after, limit))


async def tell_methods() -> Response[None]:
    """Tell what an address takes; Litestar's own answer forgets HEAD."""
    return Response(None, status_code=204, headers=GUARDED | {"Allow": "GET, HEAD, OPTIONS"})


async def _serve(
    context: Context,
    request: Request[Context, Any, Any],
    page: Page,
    download: bool = False,
    thumbnail: int | None = None,
) -> ASGIResponse:
    if "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0":
        raise InvalidInputError(f"{request.method} takes no body here.", hint="Send none.")
    address = parse_address(request.scope["raw_path"].partition(b"?")[0])
    found: Found | None = None
    if isinstance(address, TreeAddress):
        tell_refusal(request.scope, address.name, address.selector)
        found = find_at_hand(context, address)
    elif not address.of_rows:
        tell_refusal(request.scope, address.table, address.path)
    if found is None:  # the hop to a thread takes longer than what is at hand
        found = await asyncio.to_thread(_find, context, address, page)
    match found:
        case Moved(elsewhere):
            query = request.scope["query_string"].decode("ascii", "replace")
            headers = GUARDED | {"Location": f"{elsewhere}?{query}" if query else elsewhere}
            return ASGIResponse(status_code=307, headers=headers)
        case Listed(listing):
            return _listing(request, msgspec.json.encode(listing))
        case content if thumbnail is not None:
            return await _small(context, request, content, thumbnail)
        case content:
            plan = plan_answer(content, request.headers, request.method, attachment=download)
            files = context.services.files
            stall = files.settings.stall
            return FileResponse(content, plan, files.budget, stall)


def _listing(request: Request[Context, Any, Any], body: bytes) -> ASGIResponse:
    """Of versions too it may change: the same files can be shown another way."""
    return _made(request, body, "application/json", {"Cache-Control": ASK_AGAIN})


async def _small(
    context: Context, request: Request[Context, Any, Any], content: Content, width: int
) -> ASGIResponse:
    services = context.services
    drawn = await services.thumbnails.of(services.buckets, services.usage, content, width)
    told = {
        "Cache-Control": FOREVER,
        "Content-Disposition": content_disposition(f"{content.path}.webp"),
    }
    return _made(request, drawn, MEDIA_TYPE, told)


def _made(
    request: Request[Context, Any, Any], body: bytes, media_type: str, told: dict[str, str]
) -> ASGIResponse:
    """What is made of files: small, and known by its own digest."""
    etag = f'"{hashlib.sha256(body).hexdigest()}"'
    headers = GUARDED | told | {"ETag": etag}
    if decide_answer(request.headers, request.method, etag) is Answer.NOT_MODIFIED:
        return ASGIResponse(status_code=304, headers=headers)
    return ASGIResponse(
        body=body if request.method == "GET" else b"",
        media_type=media_type,
        headers=headers | {"Content-Length": str(len(body))},
    )


def _find(context: Context, address: Address, page: Page) -> Found:
    if isinstance(address, ObjectAddress):
        return find_object(context, address, page)
    return find_in_tree(context, address, page)


def _answer_failure(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """As all failures, with what keeps answers of the read path apart."""
    answer = answer_failure(request, error)
    answer.headers.update(GUARDED)
    size = getattr(error, "size", None)
    if isinstance(error, RangeNotSatisfiableError) and size is not None:
        answer.headers["Content-Range"] = f"bytes */{size}"
    return answer


def _routes() -> list[HTTPRouteHandler]:
    found: list[HTTPRouteHandler] = []
    for path, verb, responses in (
        (f"{_TREE}/{{path:path}}", read_file, _BYTES | _OF_VERSIONS),
        (_TREE, list_version_files, _LIST | _OF_VERSIONS),
        (f"{_TABLE}/{{path:path}}", read_table_file, _BYTES | _OF_TABLES),
        (_TABLE, list_table_files, _LIST | _OF_TABLES),
        (f"{_ROWS}/{{row:str}}/{{path:path}}", read_row_binary, _BYTES | _OF_TABLES),
        (f"{_ROWS}/{{row:str}}", list_row_binaries, _LIST | _OF_TABLES),
    ):
        # first, or Litestar adds its own
        found.append(route(path, http_method="OPTIONS", include_in_schema=False)(tell_methods))
        found.append(get(path, tags=["files"], responses=responses)(verb))
        found.append(route(path, http_method="HEAD", include_in_schema=False)(verb))
    return found


ROUTER = Router(
    "/files",
    route_handlers=_routes(),
    guards=[know_the_reader_or_refusal],
    dependencies={"context": Provide(context_of, sync_to_thread=False)},
    exception_handlers={Exception: _answer_failure},
    security=[{"bearer": []}],
)
