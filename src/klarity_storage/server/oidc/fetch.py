"""Get a document of an issuer: a small one, in a short time, from that address and no other."""

from __future__ import annotations

import asyncio
import ssl
from functools import cache
from typing import Final, TypeVar

import httpx
import msgspec

from klarity_storage.errors import UnavailableError
from klarity_storage.protocol.oidc import is_loopback, is_safe

T = TypeVar("T")

PATIENCE: Final = 5.0
"""Seconds that a document may take, from the look-up of the name to the last byte."""

MAX_BYTES: Final = 256 * 1024
"""The largest document; a set of fifty keys has 25 KiB."""


async def fetch(url: str, shape: type[T], *, issuer: str) -> T:
    """Get a JSON document that an issuer publishes.

    Redirects are not followed: they could lead to an address that the issuer's operator cannot
    reach and this server can. What else answered is never part of the error.

    Args:
        url: where it lies.
        shape: what it must be.
        issuer: whose it is; decides whether the address is safe.

    Raises:
        UnavailableError: it cannot be had, or is no such document.
    """
    if not is_safe(url, issuer):
        raise _failed(issuer, "it names an address that is neither https nor its own machine's")
    try:
        async with asyncio.timeout(PATIENCE):
            content = await _content(url, issuer)
    except TimeoutError:
        raise _failed(issuer, f"no whole answer within {PATIENCE:.0f} seconds") from None
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:
        raise _failed(issuer, type(error).__name__) from error
    try:
        return msgspec.json.decode(content, type=shape)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise _failed(issuer, "the answer is not the document that belongs there") from error


async def _content(url: str, issuer: str) -> bytes:
    # a proxy that the environment names leads out of this machine, not to it
    client = httpx.AsyncClient(
        verify=await asyncio.to_thread(_trust),
        trust_env=not is_loopback(url),
        follow_redirects=False,
        timeout=PATIENCE,
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
    )
    async with client as http, http.stream("GET", url) as answer:
        if answer.status_code != 200:
            raise _failed(issuer, f"status {answer.status_code}")
        content = bytearray()
        async for piece in answer.aiter_raw():  # as it came: nothing is unpacked unbounded
            content += piece
            if len(content) > MAX_BYTES:
                raise _failed(issuer, f"the answer has more than {MAX_BYTES:,} bytes")
    return bytes(content)


@cache
def _trust() -> ssl.SSLContext:
    """Which certificates are good; reading them takes longer than a fetch."""
    return httpx.create_ssl_context()


def _failed(issuer: str, reason: str) -> UnavailableError:
    return UnavailableError(
        f"The keys of the issuer {issuer} cannot be had: {reason}.",
        hint="Try again in a moment; a token of this server's own (ks token create) works on.",
    )
