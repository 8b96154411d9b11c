"""The way to the server: does it answer, encrypted, at the same time, in the same version?"""

from __future__ import annotations

import ssl
import time
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

import msgspec
import urllib3

import klarity_storage
from klarity_storage.client.doctor.check import Check, failed, passed, skipped
from klarity_storage.connections import open_pool
from klarity_storage.protocol.server import ServerInfo

MAX_SKEW: Final = timedelta(seconds=60)
"""S3 refuses what was signed 15 minutes off, and keys are renewed 5 minutes before their end."""

_CERTIFICATE_LEFT: Final = timedelta(days=7)
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class Reached(msgspec.Struct, frozen=True):
    """A server's answer to who it is."""

    info: ServerInfo
    date: datetime | None
    asked_at: datetime
    seconds: float
    certificate_ends: datetime | None


def check_connection(url: str) -> Generator[Check, None, bool]:
    """Try the connection; returns whether there is a server to ask further."""
    try:
        reached = _reach(url)
    except (urllib3.exceptions.HTTPError, msgspec.MsgspecError, ValueError, OSError) as error:
        yield failed("connection", f"{url}: {_reason(error)}", _remedy(error))
        for name in ("encryption", "clock", "versions"):
            yield skipped(name, "the server does not answer")
        return False
    yield passed("connection", f"{url} answers in {reached.seconds * 1000:.0f} ms")
    yield _check_encryption(url, reached)
    yield _check_clock(reached)
    yield _check_versions(klarity_storage.__version__, reached.info.version)
    return True


def _reach(url: str) -> Reached:
    asked_at, begun = datetime.now(UTC), time.monotonic()
    pool = open_pool(url)
    try:
        reply = pool.request(
            "GET",
            f"{url}/v1/server",
            timeout=urllib3.Timeout(connect=10, read=10),
            retries=False,
            redirect=False,
            preload_content=False,
        )
        ends = _certificate_end(reply)
        data = reply.read()
        seconds = time.monotonic() - begun
    finally:
        pool.clear()
    if reply.status != 200:
        raise ValueError(f"it answers with status {reply.status}")
    info = msgspec.json.decode(data, type=ServerInfo)
    said = reply.headers.get("Date")
    date = parsedate_to_datetime(said) if said else None
    return Reached(info, date, asked_at, seconds, ends)


def _certificate_end(reply: urllib3.BaseHTTPResponse) -> datetime | None:
    socket = getattr(reply.connection, "sock", None)
    certificate = socket.getpeercert() if isinstance(socket, ssl.SSLSocket) else None
    if not certificate:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)


def _check_encryption(url: str, reached: Reached) -> Check:
    name = "encryption"
    parts = urlsplit(url)
    if parts.scheme == "http":
        if parts.hostname in _LOOPBACK:
            return passed(name, "none, and nothing leaves this machine")
        return failed(
            name,
            f"{url} is not encrypted: whoever is on the way reads your token",
            "Let the server, or a proxy before it, speak TLS, and use https://.",
        )
    ends = reached.certificate_ends
    if ends and ends - reached.asked_at < _CERTIFICATE_LEFT:
        return failed(
            name, f"the certificate ends {ends:%Y-%m-%d}", "Renew the server's certificate."
        )
    until = f", and ends {ends:%Y-%m-%d}" if ends else ""
    return passed(name, f"TLS; the certificate is good{until}")


def _check_clock(reached: Reached) -> Check:
    name = "clock"
    if reached.date is None:
        return skipped(name, "the server's answer has no date")
    # the server's date is cut to whole seconds, and was taken somewhere on the way
    middle = reached.asked_at + timedelta(seconds=reached.seconds / 2 - 0.5)
    off = middle - reached.date
    seconds = abs(off.total_seconds())
    if abs(off) > MAX_SKEW:
        way = "ahead of" if off > timedelta(0) else "behind"
        return failed(
            name,
            f"this machine's clock is {seconds:.0f} s {way} the server's",
            "Set both by the network: timedatectl set-ntp true",
        )
    return passed(name, f"within {max(1, round(seconds))} s of the server's")


def _check_versions(client: str, server: str) -> Check:
    name = "versions"
    told = f"client {client}, server {server}"
    if _compatible(client) == _compatible(server):
        return passed(name, told)
    return failed(name, told, f"pip install 'klarity-storage=={server}'")


def _compatible(version: str) -> tuple[str, ...]:
    """The part of a version that must be the same: before 1.0 the minor one, too.

    >>> _compatible("0.3.1"), _compatible("2.5.0")
    (('0', '3'), ('2',))
    """
    parts = version.split(".")
    return tuple(parts[:2] if parts[0] == "0" else parts[:1])


def _reason(error: Exception) -> str:
    if isinstance(error, msgspec.MsgspecError):
        return "what answers there is no Klarity Storage server"
    return str(error).rpartition(": ")[2].rstrip(".") or type(error).__name__


def _remedy(error: Exception) -> str:
    if isinstance(error, urllib3.exceptions.SSLError):
        return (
            "Let the server's certificate be signed by an authority that this machine trusts, "
            "or name that authority's file in SSL_CERT_FILE."
        )
    return "Is the address right, is the server running, does a firewall or proxy stand between?"
