from __future__ import annotations

import asyncio
from typing import Any

import pytest

from klarity_storage.errors import ConfigurationError
from klarity_storage.server.http.remote import BehindProxies, caller_address
from klarity_storage.server.settings.check import read_networks

PROXIES = ["10.0.0.0/8", "fd00::/8"]


def seen(peer: str | None, *headers: tuple[str, str], trusted: list[str] = PROXIES) -> Any:
    """Address and scheme of a request, as the application sees them."""
    scope: Any = {
        "type": "http",
        "client": peer and (peer, 4711),
        "scheme": "http",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
    }

    async def application(inner: Any, receive: Any, send: Any) -> None:
        assert inner is scope

    asyncio.run(BehindProxies(application, read_networks(trusted))(scope, None, None))  # type: ignore[arg-type]
    return caller_address(scope), scope["scheme"]


@pytest.mark.parametrize("peer", ["192.0.2.1", "11.0.0.1", "2001:db8::1", "testclient"])
def test_what_a_stranger_claims_is_ignored(peer: str) -> None:
    claimed = [("X-Forwarded-For", "198.51.100.9"), ("X-Forwarded-Proto", "https")]
    assert seen(peer, *claimed) == (peer, "http")
    assert seen("10.0.0.1", *claimed, trusted=[]) == ("10.0.0.1", "http")


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ("198.51.100.9", "198.51.100.9"),
        ("198.51.100.9:4711", "198.51.100.9"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("::ffff:198.51.100.9", "198.51.100.9"),
        # what stands before the last stranger is that stranger's claim
        ("127.0.0.1, 198.51.100.9", "198.51.100.9"),
        ("nonsense, 198.51.100.9, 10.2.3.4", "198.51.100.9"),
        ("10.9.9.9, 10.2.3.4", "10.9.9.9"),
        ("198.51.100.9, nonsense, 10.2.3.4", "10.2.3.4"),
        ("nonsense", "10.0.0.1"),
        ("", "10.0.0.1"),
        ("198.51.100.9\u0660", "10.0.0.1"),
    ],
)
def test_a_trusted_proxy_says_who_calls(header: str, address: str) -> None:
    assert seen("10.0.0.1", ("X-Forwarded-For", header)) == (address, "http")
    assert seen("::ffff:10.0.0.1", ("X-Forwarded-For", header))[0].endswith(address)


def test_several_headers_are_one() -> None:
    headers = [("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-For", "198.51.100.9, fd00::1")]
    assert seen("10.0.0.1", *headers) == ("198.51.100.9", "http")


@pytest.mark.parametrize(
    ("header", "scheme"),
    [("https", "https"), ("http, HTTPS", "https"), ("https,http", "http"), ("gopher", "http")],
)
def test_a_trusted_proxy_says_how(header: str, scheme: str) -> None:
    assert seen("10.0.0.1", ("X-Forwarded-Proto", header)) == ("10.0.0.1", scheme)


def test_nobody_at_the_other_end() -> None:
    assert seen(None, ("X-Forwarded-For", "198.51.100.9")) == ("unknown", "http")


@pytest.mark.parametrize("text", ["proxy.example.org", "10.0.0.1/8", "", "10.0.0.256"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="trusted_proxies"):
        read_networks([text])
