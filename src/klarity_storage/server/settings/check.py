"""What the sections must be together to work."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import msgspec

from klarity_storage.errors import ConfigurationError
from klarity_storage.server.settings.sections import EngineSettings, variables_of

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def check_engine(engine: EngineSettings) -> None:
    """Refuse settings of one kind of engine that are given to another, and any that miss.

    Raises:
        ConfigurationError: it names them.
    """
    secrets = variables_of(EngineSettings)
    given = {
        field.name
        for field in msgspec.structs.fields(EngineSettings)
        if getattr(engine, field.name) != field.default
    }
    other = {"port"} if engine.kind == "s3" else {"endpoint", "sts_endpoint", "region", "role_arn"}
    if extra := sorted(other & given):
        kind = "seaweed" if engine.kind == "s3" else "s3"
        raise ConfigurationError(
            f"engine.{extra[0]} has a meaning only with engine.kind = {kind!r}.",
            hint=f"Add --engine {kind}, or remove the setting.",
        )
    if engine.kind == "s3" and (missing := sorted({"endpoint", "role_arn", *secrets} - given)):
        keys = " and ".join(f"engine.{name}" for name in missing)
        variables = " and ".join(secrets.values())
        raise ConfigurationError(
            f"An S3 that stands already needs {keys}.",
            hint=f"Set them in klarity.toml; the keys may also stand in {variables}.",
        )
    for name in ("endpoint", "sts_endpoint", "public_endpoint"):
        url = urlsplit(getattr(engine, name) or "http://none")
        if url.scheme not in {"http", "https"} or not url.hostname:
            raise ConfigurationError(f"engine.{name} is not a URL such as https://s3.example.org.")


def check_bucket(bucket: str) -> None:
    """Refuse what S3 would.

    Raises:
        ConfigurationError: it cannot be the name of a bucket.
    """
    if not _BUCKET.fullmatch(bucket):
        raise ConfigurationError(
            f"storage.bucket = {bucket!r} cannot be the name of a bucket.",
            hint="Use 3 to 63 of a-z, 0-9, '.' and '-'.",
        )


def read_networks(texts: Iterable[str]) -> list[Network]:
    """The networks of ``server.trusted_proxies``.

    Raises:
        ConfigurationError: one is neither an address nor a network.

    >>> [str(network) for network in read_networks(["10.0.0.0/8", "::1"])]
    ['10.0.0.0/8', '::1/128']
    """
    networks: list[Network] = []
    for text in texts:
        try:
            networks.append(ipaddress.ip_network(text))
        except ValueError as error:
            raise ConfigurationError(
                f"server.trusted_proxies: {error}.", hint="Write 10.0.0.7 or 10.0.0.0/8."
            ) from error
    return networks
