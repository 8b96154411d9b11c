"""Calls to the control plane: small JSON bodies, one error tree, retries in one place."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode

import msgspec
import stamina
import urllib3

import klarity_storage
from klarity_storage.connections import Connections
from klarity_storage.errors import (
    ConfigurationError,
    InternalError,
    NotFoundError,
    StorageError,
    UnauthenticatedError,
    UnavailableError,
)
from klarity_storage.protocol.problem import CONTENT_TYPE, Problem, error_of

Answer = TypeVar("Answer")

_ATTEMPTS: Final = 4
_TIMEOUT: Final = urllib3.Timeout(connect=10, read=60)
_CONNECTIONS: Final = 16
_NEVER_SENT: Final = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
)


class _NotRenewedError(UnavailableError):
    """There is no new token, as its issuer does not answer: nothing was done at the server."""


class Http:
    """One server, one caller.

    Args:
        base_url: the server's, without a closing slash.
        token: the caller's; it goes into a header and nowhere else.
        renew: gives another for a token that the server refuses, or None.
    """

    def __init__(
        self,
        base_url: str,
        token: str | None,
        renew: Callable[[str], str | None] | None = None,
    ) -> None:
        self.base_url = base_url
        self._headers = {"User-Agent": f"klarity-storage/{klarity_storage.__version__}"}
        self._token = token
        self._renew = renew
        self._renewing = threading.Lock()
        self._connections = Connections(base_url, maxsize=_CONNECTIONS, timeout=_TIMEOUT)

    def __repr__(self) -> str:
        return f"Http({self.base_url!r})"

    def close(self) -> None:
        self._connections.close()

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

    def ensure(self, path: str) -> None:
        """Let something be there whose address says all of it."""
        self._call("PUT", path)

    def delete(self, path: str, **query: str | None) -> None:
        """Delete something; gone is done where the answer to an earlier attempt was lost."""
        target = _target(path, query)
        arrived = False
        for attempt in _retries():
            with attempt:
                try:
                    self._send("DELETE", target, None)
                except UnavailableError as error:
                    arrived = arrived or not (
                        isinstance(error, _NotRenewedError)
                        or isinstance(error.__cause__, _NEVER_SENT)
                    )
                    raise
                except NotFoundError:
                    if not arrived:
                        raise

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: msgspec.Struct | None = None,
        query: dict[str, str | None] | None = None,
        repeatable: bool = True,
    ) -> urllib3.BaseHTTPResponse:
        target = _target(path, query or {})
        content = None if body is None else msgspec.json.encode(body)
        if not repeatable:
            return self._send(method, target, content)
        for attempt in _retries():
            with attempt:
                response = self._send(method, target, content)
        return response

    def _send(self, method: str, target: str, content: bytes | None) -> urllib3.BaseHTTPResponse:
        """Send a request; once more with another token where the server refuses the first."""
        token = self._token
        try:
            return self._send_as(token, method, target, content)
        except UnauthenticatedError:
            renewed = self._renewed(token)
            if renewed is None:
                raise
        return self._send_as(renewed, method, target, content)

    def _renewed(self, refused: str | None) -> str | None:
        """The token to use after one that was refused; many threads may ask at once."""
        with self._renewing:
            if self._token != refused:
                return self._token
            if self._renew is None or refused is None:
                return None
            try:
                renewed = self._renew(refused)
            except UnavailableError as error:
                raise _NotRenewedError(error.message, hint=error.hint) from error
            if renewed is not None:
                self._token = renewed
            return renewed

    def _send_as(
        self, token: str | None, method: str, target: str, content: bytes | None
    ) -> urllib3.BaseHTTPResponse:
        headers = dict(self._headers)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if content is not None:
            headers["Content-Type"] = "application/json"
        try:
            response = self._connections.send(method, target, content, headers)
        except urllib3.exceptions.SSLError as error:
            raise _untrusted(self.base_url, error) from error
        except urllib3.exceptions.HTTPError as error:
            raise UnavailableError(
                f"The server {self.base_url} does not answer: {_reason(error)}.",
                hint="Is it running, and is the address right? ks whoami tries it.",
            ) from error
        if 200 <= response.status < 300:
            return response
        raise _error(response, self.base_url)

    def _decode(self, response: urllib3.BaseHTTPResponse, returns: type[Answer]) -> Answer:
        try:
            return msgspec.json.decode(response.data, type=returns)
        except msgspec.MsgspecError as error:
            raise InternalError(
                f"{self.base_url} answered {response.status} with another shape: {error}.",
                hint="Is it a Klarity Storage server, and of a version that fits?",
                request_id=response.headers.get("X-Request-Id"),
            ) from error


def _target(path: str, query: dict[str, str | None]) -> str:
    params = {key: value for key, value in query.items() if value is not None}
    return path + (f"?{urlencode(params)}" if params else "")


def _retries() -> Iterator[stamina.Attempt]:
    return iter(
        stamina.retry_context(on=UnavailableError, attempts=_ATTEMPTS, timeout=30, wait_max=4)
    )


def quoted(*segments: str) -> str:
    """A path of these segments, each escaped: ``/v1/`` stands before them."""
    return "/v1/" + "/".join(quote(segment, safe="") for segment in segments)


def _untrusted(base_url: str, error: urllib3.exceptions.SSLError) -> StorageError:
    """What keeps a server from being believed that it is the one that was asked for."""
    reason = error.args[0] if error.args else error
    told = getattr(reason, "verify_message", "").rstrip(".")
    if not told:
        return UnavailableError(
            f"The server {base_url} does not answer by HTTPS: {_reason(error)}.",
            hint="Does it take http:// instead?",
        )
    if "issuer" in told or "self-signed" in told:
        hint = (
            "If you trust who signed it, name the file of that authority's certificate: "
            f"export SSL_CERT_FILE={os.environ.get('SSL_CERT_FILE', 'AUTHORITY.pem')}"
        )
    elif "expired" in told or "not yet" in told:
        hint = "Check the clock, or tell whoever runs the server."
    else:
        hint = "Use the address that the certificate is for."
    return ConfigurationError(
        f"The certificate of {base_url} cannot be trusted: {told}.", hint=hint
    )


def _reason(error: urllib3.exceptions.HTTPError) -> str:
    """urllib3 puts the connection's ``repr`` before what happened."""
    return str(error).rpartition(": ")[2].rstrip(".") or type(error).__name__


def _error(response: urllib3.BaseHTTPResponse, base_url: str) -> StorageError:
    if response.headers.get("Content-Type", "").startswith(CONTENT_TYPE):
        try:
            problem: Any = msgspec.json.decode(response.data, type=Problem)
            return error_of(problem)
        except msgspec.MsgspecError:
            pass  # a proxy may answer for the server; its status says enough
    problem = Problem(
        type="about:blank",
        title=response.reason or "",
        status=response.status,
        detail=f"{base_url} answered {response.status} {response.reason}.",
        code="",
        hint="Is it a Klarity Storage server?",
        request_id=response.headers.get("X-Request-Id"),
    )
    return error_of(problem)
