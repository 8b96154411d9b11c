"""What the settings of the proxy must be to be written into a configuration of nginx."""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from klarity_storage.errors import ConfigurationError
from klarity_storage.server.settings.sections import ProxySettings

_HOST: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
_PORTS: Final = {"http": 80, "https": 443}


class Place(NamedTuple):
    """Where nginx answers: the scheme, host and port of a URL."""

    scheme: str
    host: str
    port: int

    @property
    def encrypted(self) -> bool:
        return self.scheme == "https"


def read_place(key: str, url: str) -> Place:
    """Where a URL leads.

    Raises:
        ConfigurationError: it is none, or has more than scheme, host and port.

    >>> read_place("proxy.address", "https://ks.example.org")
    Place(scheme='https', host='ks.example.org', port=443)
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        bare = parts.path in {"", "/"} and not (parts.query or parts.fragment or parts.username)
        if not _HOST.fullmatch(host):
            ipaddress.ip_address(host)
        if not bare:
            raise ValueError(url)
    except (ValueError, KeyError) as error:
        raise ConfigurationError(
            f"{key} = {url!r} is not the address of a proxy.",
            hint="Write scheme and host, and a port where it is another: https://ks.example.org.",
        ) from error
    return Place(parts.scheme, f"[{host}]" if ":" in host else host, port)


def check_proxy(settings: ProxySettings) -> None:
    """Refuse what nginx could not listen on.

    Raises:
        ConfigurationError: it names the setting.
    """
    place = read_place("proxy.address", settings.address)
    try:
        ipaddress.ip_address(settings.host)
    except ValueError as error:
        raise ConfigurationError(
            f"proxy.host = {settings.host!r} is not an address.",
            hint="Write 127.0.0.1, 0.0.0.0 for all of IPv4, or :: for all of IPv6.",
        ) from error
    if place.encrypted and settings.certificate is None:
        raise ConfigurationError(
            f"proxy.address is {settings.address}, and HTTPS needs a certificate.",
            hint="Set proxy.certificate and proxy.key.",
        )
    if not place.encrypted and settings.certificate is not None:
        raise ConfigurationError(
            f"There is a proxy.certificate, and proxy.address is {settings.address}.",
            hint="Let proxy.address begin with https://.",
        )
