"""What the embedded engine says of every S3 request, as JSON lines: a file a day.

The engine speaks to a Unix socket in the protocol of Fluentd, as JSON: arrays ``[tag, time, record,
options]``, one after the other with nothing between. It never waits for us: what does not fit its
buffer of 8,192 messages while nobody reads is dropped.
"""

from __future__ import annotations

import codecs
import json
import logging
import os
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from klarity_storage.server.audit.days import DayFiles

SOCKET: Final = "requests.sock"
"""In the engine's folder, in which it runs: a socket's path is limited to 108 bytes."""

CONFIGURATION: Final = {
    "fluent_network": "unix",
    "fluent_socket_path": SOCKET,
    "marshal_as_json": True,
    "max_retry": 3,
    "retry_wait": 100,
}
"""What the engine's ``-s3.auditLogConfig`` holds."""

_LOG = logging.getLogger(__name__)
_PIECE: Final = 1 << 16
_PAUSE: Final = 0.02
"""Seconds in which more comes, so that a busy engine does not wake us for each request."""

_AGENT: Final = 120
"""Characters of a user agent that are kept."""

_FIELDS: Final = {
    "remote_ip": "remote",
    "operation": "operation",
    "bucket": "bucket",
    "key": "key",
    "status": "status",
    "error_code": "error",
    "request_id": "engine_request",
}


class RequestLog:
    """The engine's requests, written below a folder from `start` to `stop`.

    Args:
        engine: the engine's folder, in which the socket is made.
        folder: where the files go.
        days: how many whole days stay before today's; all without it.
    """

    def __init__(self, engine: Path, folder: Path, days: int | None = None) -> None:
        self._engine = engine
        self._files = DayFiles(folder)
        self._days = days
        self._server: socketserver.ThreadingUnixStreamServer | None = None
        self._failing = False

    def start(self) -> None:
        """Listen until `stop`."""
        log = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                for records in _records(iter(lambda: self.request.recv(_PIECE), b"")):
                    log.write(records)
                    time.sleep(_PAUSE)

        path = self._engine / SOCKET
        path.unlink(missing_ok=True)
        descriptor = os.open(self._engine, os.O_RDONLY | os.O_DIRECTORY)
        try:
            near = Path(f"/proc/self/fd/{descriptor}")
            short = near / SOCKET if near.exists() else path
            self._server = socketserver.ThreadingUnixStreamServer(str(short), Handler)
        finally:
            os.close(descriptor)
        self._server.daemon_threads = True
        threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="ks-requests", daemon=True
        ).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        self._server = None
        (self._engine / SOCKET).unlink(missing_ok=True)
        self._files.close()

    def write(self, records: list[dict[str, Any]]) -> None:
        """Append records; a full disk loses them, and says so once."""
        day = datetime.now(UTC).date()
        try:
            opened = self._files.append(day, b"".join(map(_line, records)))
            if opened and self._days is not None:
                self._files.drop_before(day - timedelta(days=self._days))
            self._failing = False
        except OSError as error:
            if not self._failing:
                _LOG.warning("The engine's requests cannot be logged: %s", error.strerror)
            self._failing = True


def told(record: dict[str, Any]) -> dict[str, Any]:
    """One line: what the engine says, and in whose name.

    >>> arn = "arn:aws:sts::000000000000:assumed-role/klarity/user-alice-5c0f2d7a9b3e4f10"
    >>> told({"requester_arn": arn, "time": 0})["session"]
    'user-alice-5c0f2d7a9b3e4f10'
    """
    arn = str(record.get("requester_arn") or "")
    who = arn.rpartition("/")[2] if ":assumed-role/" in arn else ("server" if arn else "")
    at = datetime.fromtimestamp(record.get("time", 0), UTC).isoformat()
    said = {ours: record[theirs] for theirs, ours in _FIELDS.items() if record.get(theirs)}
    agent = str(record.get("user_agent") or "")[:_AGENT]
    return {"at": at, "session": who, **said, "agent": agent}


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(told(record)).encode() + b"\n"  # ASCII: keys may hold what drives a terminal


def _records(pieces: Iterator[bytes]) -> Iterator[list[dict[str, Any]]]:
    """The records of a stream of messages that is cut anywhere, by piece."""
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    scan = json.JSONDecoder().raw_decode
    rest = ""
    with suppress(ConnectionError):  # the engine was killed
        for piece in pieces:
            rest += decode(piece)
            begin = 0
            found = []
            with suppress(json.JSONDecodeError):  # the last one is not whole yet
                while begin < len(rest):
                    message, begin = scan(rest, begin)
                    found.append(message[2])
            rest = rest[begin:]
            if found:
                yield found
