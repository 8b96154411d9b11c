"""What an issuer of OpenID Connect says of itself, and which addresses are spoken to for it."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from klarity_storage.protocol.base import Response

DISCOVERY: Final = "/.well-known/openid-configuration"
"""Where an issuer describes itself, below its own URL (OpenID Connect Discovery 1.0)."""


class Discovery(Response, frozen=True):
    """The members of an issuer's document that are used here."""

    issuer: str
    jwks_uri: str | None = None
    token_endpoint: str | None = None
    device_authorization_endpoint: str | None = None
    revocation_endpoint: str | None = None


class LoginIssuer(Response, frozen=True):
    """An issuer at which `ks login` gets tokens for this server."""

    name: str
    """What the server's settings call it."""
    issuer: str
    """Its URL."""
    client_id: str
    scopes: list[str]
    resource: str | None = None
    """What the issuer is asked to make tokens for (RFC 8707), where it wants to be told."""


def discovery_url(issuer: str) -> str:
    """Where an issuer describes itself.

    >>> discovery_url("https://login.example.org/corp/")
    'https://login.example.org/corp/.well-known/openid-configuration'
    """
    return issuer.rstrip("/") + DISCOVERY


def is_issuer(url: str) -> bool:
    """Whether an issuer may have this URL: https, or http on this machine; no query, no user.

    >>> is_issuer("https://login.example.org"), is_issuer("http://login.example.org")
    (True, False)
    """
    return is_safe(url, url) and not urlsplit(url).query


def is_safe(url: str, issuer: str) -> bool:
    """Whether an address that an issuer names is one to speak to on its behalf.

    It must be https; only an issuer on this machine may name http, and an address on this machine.

    >>> is_safe("http://127.0.0.1:8333/keys", "https://login.example.org")
    False
    >>> is_safe("https://keys.example.net/keys", "https://login.example.org")
    True
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is none
    except ValueError:
        return False
    if not parts.hostname or "@" in parts.netloc or parts.fragment:
        return False
    if is_loopback(issuer):
        return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url))
    return parts.scheme == "https" and not _is_inner(parts.hostname)


def is_loopback(url: str) -> bool:
    """Whether a URL is of this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_inner(host: str) -> bool:
    """Whether it is an address at which only this machine, or whoever runs it, should ask."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_unspecified or address.is_link_local
