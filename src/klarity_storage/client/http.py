"""Calls to the control plane: small JSON bodies, one error tree, retries in one place."""

from __future__ import annotations

from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec
import stamina

import klarity_storage
from klarity_storage.errors import InternalError, StorageError, UnavailableError
from klarity_storage.protocol.problem import CONTENT_TYPE, Problem, error_of

Answer = TypeVar("Answer")

_ATTEMPTS = 4
_TIMEOUT = httpx.Timeout(60, connect=10)


class Http:
    """One server, one caller.

    Args:
        base_url: the server's, without a closing slash.
        token: the caller's; it goes into a header and nowhere else.
        transport: how bytes travel; a test may count or break it.
    """

    def __init__(
        self, base_url: str, token: str | None, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.base_url = base_url
        headers = {"User-Agent": f"klarity-storage/{klarity_storage.__version__}"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._client = httpx.Client(
            base_url=base_url, headers=headers, timeout=_TIMEOUT, transport=transport
        )

    def __repr__(self) -> str:
        return f"Http({self.base_url!r})"

    def close(self) -> None:
        self._client.close()

    def get(self, path: str, returns: type[Answer], **query: str | None) -> Answer:
        return self._decode(self._call("GET", path, query=query), returns)

    def post(
        self,
        path: str,
        body: msgspec.Struct | None,
        returns: type[Answer],
        *,
        repeatable: bool = False,
    ) -> Answer:
        """Send a body; ``repeatable`` when asking twice does what asking once does."""
        return self._decode(self._call("POST", path, body=body, repeatable=repeatable), returns)

    def put(self, path: str, body: msgspec.Struct, returns: type[Answer]) -> Answer:
        return self._decode(self._call("PUT", path, body=body), returns)

    def delete(self, path: str) -> None:
        self._call("DELETE", path)

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: msgspec.Struct | None = None,
        query: dict[str, str | None] | None = None,
        repeatable: bool = True,
    ) -> httpx.Response:
        content = msgspec.json.encode(body) if body is not None else None
        params = {key: value for key, value in (query or {}).items() if value is not None}
        request = self._client.build_request(
            method,
            path,
            content=content,
            params=params or None,
            headers={"Content-Type": "application/json"} if content else None,
        )
        attempts = _ATTEMPTS if repeatable else 1
        for attempt in stamina.retry_context(
            on=UnavailableError, attempts=attempts, timeout=30, wait_max=4
        ):
            with attempt:
                response = self._send(request)
        return response

    def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            response = self._client.send(request)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise UnavailableError(
                f"The server {self.base_url} does not answer: {reason}.",
                hint="Is it running, and is the address right? ks whoami tries it.",
            ) from error
        if response.is_success:
            return response
        raise _error(response, self.base_url)

    def _decode(self, response: httpx.Response, returns: type[Answer]) -> Answer:
        try:
            return msgspec.json.decode(response.content, type=returns)
        except msgspec.MsgspecError as error:
            raise InternalError(
                f"{self.base_url} answered {response.status_code} with another shape: {error}.",
                hint="Is it a Klarity Storage server, and of a version that fits?",
                request_id=response.headers.get("X-Request-Id"),
            ) from error


def quoted(*segments: str) -> str:
    """A path of these segments, each escaped: ``/v1/`` stands before them."""
    return "/v1/" + "/".join(quote(segment, safe="") for segment in segments)


def _error(response: httpx.Response, base_url: str) -> StorageError:
    if response.headers.get("Content-Type", "").startswith(CONTENT_TYPE):
        try:
            problem: Any = msgspec.json.decode(response.content, type=Problem)
            return error_of(problem)
        except msgspec.MsgspecError:
            pass  # a proxy may answer for the server; its status says enough
    problem = Problem(
        type="about:blank",
        title=response.reason_phrase,
        status=response.status_code,
        detail=f"{base_url} answered {response.status_code} {response.reason_phrase}.",
        code="",
        hint="Is it a Klarity Storage server?",
        request_id=response.headers.get("X-Request-Id"),
    )
    return error_of(problem)
