"""Keys that last as long as a write.

delta-rs takes keys as text, and temporary ones end at their time: a write that outlives them would
fail at its commit. The object_store crate below it can ask an address for keys, as in a container
of AWS, and asks again before they end. So for the time of a write there is such an address, on
loopback, which answers only to a random word that stands in a file of the owner's.
"""

from __future__ import annotations

import hmac
import secrets
import socket
import socketserver
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import msgspec

from klarity_storage.errors import StorageError, UnavailableError
from klarity_storage.protocol.credentials import S3Credentials
from klarity_storage.tables.location import Locate, TableLocation

_HOST: Final = "127.0.0.1"
_RENEW_BEFORE: Final = timedelta(minutes=6)
"""Of their end: object_store asks within the last five minutes, and must then get other ones."""


@contextmanager
def lasting(locate: Locate) -> Iterator[TableLocation]:
    """A table's location, whose keys are renewed for as long as the block runs.

    Raises:
        StorageError: of the renewal, when it is what the block failed for.
    """
    location = locate()
    if location.s3 is None or location.s3.expires_at is None:
        yield location
        return
    with tempfile.TemporaryDirectory(prefix="ks-") as folder:
        keys = _Keys(lambda: locate().s3, location.s3)
        word = secrets.token_urlsafe(32)
        file = Path(folder) / "word"
        file.touch(mode=0o600)
        file.write_text(word)
        with _Endpoint(keys, word) as endpoint:
            try:
                yield replace(location, renewed=_Source(keys, endpoint.url, file))
            except StorageError as error:
                if keys.failure is not None:
                    raise keys.failure from error
                raise


class _Keys:
    """Keys that are asked for anew before they end."""

    def __init__(self, renew: Callable[[], S3Credentials | None], first: S3Credentials) -> None:
        self._renew = renew
        self._keys = first
        self._lock = threading.Lock()
        self.failure: StorageError | None = None
        """Why there are none any more: what object_store makes of it is only text."""

    def current(self) -> S3Credentials:
        with self._lock:
            end = self._keys.expires_at
            if end is not None and end - _RENEW_BEFORE <= datetime.now(UTC):
                try:
                    self._keys = self._renew() or self._keys
                except StorageError as error:
                    if isinstance(error, UnavailableError) and end > datetime.now(UTC):
                        return self._keys  # still good: the next request asks again
                    self.failure = error
                    raise
            return self._keys


class _Source:
    def __init__(self, keys: _Keys, url: str, word: Path) -> None:
        self._keys = keys
        self._url = url
        self._word = word

    def current(self) -> S3Credentials:
        return self._keys.current()

    def options(self) -> dict[str, str]:
        return {
            "aws_container_credentials_full_uri": self._url,
            "aws_container_authorization_token_file": str(self._word),
            **_past_the_proxy(self._keys.current().endpoint),
        }


class _Endpoint(socketserver.ThreadingTCPServer):
    """Hands keys to whoever knows the word, from ``with`` to its end."""

    daemon_threads = True
    block_on_close = False
    timeout = 1.0  # seconds, after which it looks whether it is to end

    def __init__(self, keys: _Keys, word: str) -> None:
        super().__init__((_HOST, 0), _Handler)
        self.keys = keys
        self.word = word
        self.url = f"http://{_HOST}:{self.server_address[1]}/"

    def __enter__(self) -> Self:
        self._closing = False
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing = True
        with suppress(OSError):  # then it wakes by itself
            socket.create_connection((_HOST, self.server_address[1])).close()
        self._thread.join()
        self.server_close()

    def _answer(self) -> None:
        while not self._closing:
            self.handle_request()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing to say: whoever asked has gone away."""


class _Handler(BaseHTTPRequestHandler):
    server: _Endpoint
    timeout = 5  # seconds that somebody may take to ask

    def do_GET(self) -> None:
        given = self.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), self.server.word.encode()):
            self.send_error(403)
            return
        try:
            keys = self.server.keys.current()
        except StorageError:  # not 5xx: those would be asked again for minutes
            self.send_error(403)
            return
        body = msgspec.json.encode(
            {
                "AccessKeyId": keys.access_key_id,
                "SecretAccessKey": keys.secret_access_key,
                "Token": keys.session_token,
                "Expiration": keys.expires_at,
            }
        )
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Nothing: a library does not write to stderr."""


def _past_the_proxy(engine: str) -> dict[str, str]:
    """Options that reach the engine through the system's proxy, if any, and loopback without it."""
    proxies = urllib.request.getproxies()
    through = proxies.get("http") or proxies.get("all")
    if through is None:
        return {}
    host = urlsplit(engine)
    own = proxies.get(host.scheme) or proxies.get("all")
    excluded = [_HOST, *filter(None, proxies.get("no", "").split(","))]
    if own is None:
        excluded.append(str(host.hostname))
    return {"proxy_url": own or through, "proxy_excludes": ",".join(excluded)}
