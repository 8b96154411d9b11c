"""What the sections must be together to work."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import msgspec

from klarity_storage.errors import ConfigurationError, InvalidNameError
from klarity_storage.protocol.spaces import Strategy
from klarity_storage.protocol.web import deployment_name
from klarity_storage.server.settings.issuers import check_issuers
from klarity_storage.server.settings.proxy import check_proxy
from klarity_storage.server.settings.sections import (
    MAIN,
    BucketSettings,
    DatabaseSettings,
    EngineSettings,
    Settings,
    variables_of,
)

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_TABLE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_ORIGIN: Final = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?")
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*")
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def check_settings(settings: Settings) -> None:
    """Refuse what cannot work.

    Raises:
        ConfigurationError: it names the setting.
    """
    check_engine("engine", settings.engine)
    check_bucket("storage.bucket", settings.storage.bucket)
    check_database(settings.database)
    check_origins(settings.files.origins)
    check_hosts(settings.web.hosts)
    read_networks(settings.server.trusted_proxies)
    check_issuers(settings.oidc)
    check_proxy(settings.proxy)
    places = {(MAIN, settings.storage.bucket): "storage.bucket"}
    for name, engine in settings.engines.items():
        _check_table("engines", name)
        check_engine(f"engines.{name}", engine)
    for name, bucket in settings.buckets.items():
        _check_table("buckets", name)
        _check_strategy(f"buckets.{name}", bucket)
        if bucket.engine not in {MAIN, *settings.engines}:
            raise ConfigurationError(
                f"buckets.{name}.engine is {bucket.engine!r}, and there is no such engine.",
                hint=f"Add [engines.{bucket.engine}], or take {MAIN}, which is [engine].",
            )
        place = (bucket.engine, bucket.bucket or name)
        check_bucket(f"buckets.{name}.bucket", place[1])
        if place in places:
            raise ConfigurationError(
                f"buckets.{name} and {places[place]} are one bucket of one engine.",
                hint=f"Set buckets.{name}.bucket to another name.",
            )
        places[place] = f"buckets.{name}"
    if idle := sorted(settings.engines.keys() - {engine for engine, _ in places}):
        raise ConfigurationError(
            f"No bucket lies on the engine {idle[0]}.",
            hint=f'Add [buckets.<name>] with engine = "{idle[0]}", or remove [engines.{idle[0]}].',
        )


def _check_table(section: str, name: str) -> None:
    if not _TABLE.fullmatch(name):
        raise ConfigurationError(
            f"[{section}.{name}] cannot be called so.", hint="Use 1 to 64 of a-z, 0-9 and '-'."
        )
    if name == MAIN:
        own = "[engine]" if section == "engines" else "[storage]"
        raise ConfigurationError(
            f"[{section}.{MAIN}] cannot be set: that is what {own} describes.",
            hint="Choose another name.",
        )


def _check_strategy(key: str, bucket: BucketSettings) -> None:
    scratch, web = bucket.strategy is Strategy.SCRATCH, bucket.strategy is Strategy.WEB
    if scratch and bucket.days is None:
        raise ConfigurationError(
            f"{key} is a scratch bucket without an end.",
            hint=f"Set {key}.days: how long after it was written something expires.",
        )
    for field, fits, strategy in (("days", scratch, "scratch"), ("public", web, "web")):
        if getattr(bucket, field) is not None and not fits:
            raise ConfigurationError(
                f"{key}.{field} has a meaning only with strategy = {strategy!r}.",
                hint="Change the strategy, or remove the setting.",
            )


def check_engine(section: str, engine: EngineSettings) -> None:
    """Refuse settings of one kind of engine that are given to another, and any that miss.

    Raises:
        ConfigurationError: it names them.
    """
    name = section.rpartition(".")[2].upper().replace("-", "_")
    secrets = {
        field: variable.replace("{NAME}", name)
        for field, variable in variables_of(type(engine)).items()
    }
    given = {
        field.name
        for field in msgspec.structs.fields(type(engine))
        if getattr(engine, field.name) != field.default
    }
    other = {"port"} if engine.kind == "s3" else {"endpoint", "sts_endpoint", "region", "role_arn"}
    if extra := sorted(other & given):
        kind = "seaweed" if engine.kind == "s3" else "s3"
        raise ConfigurationError(
            f"{section}.{extra[0]} has a meaning only with {section}.kind = {kind!r}.",
            hint=f"Add --engine {kind}, or remove the setting.",
        )
    if engine.kind == "s3" and (missing := sorted({"endpoint", "role_arn", *secrets} - given)):
        keys = " and ".join(f"{section}.{field}" for field in missing)
        variables = " and ".join(secrets.values())
        raise ConfigurationError(
            f"An S3 that stands already needs {keys}.",
            hint=f"Set them in klarity.toml; the keys may also stand in {variables}.",
        )
    for field in ("endpoint", "sts_endpoint", "public_endpoint"):
        url = urlsplit(getattr(engine, field) or "http://none")
        if url.scheme not in {"http", "https"} or not url.hostname:
            raise ConfigurationError(
                f"{section}.{field} is not a URL such as https://s3.example.org."
            )


def check_bucket(key: str, bucket: str) -> None:
    """Refuse what S3 would.

    Raises:
        ConfigurationError: it cannot be the name of a bucket.
    """
    if not _BUCKET.fullmatch(bucket):
        raise ConfigurationError(
            f"{key} = {bucket!r} cannot be the name of a bucket.",
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


def check_hosts(hosts: Mapping[str, str]) -> None:
    """Refuse what no browser sends as a host, and what can be no deployment.

    Raises:
        ConfigurationError: it names the one.
    """
    for host, deployment in hosts.items():
        if not _HOST.fullmatch(host):
            raise ConfigurationError(
                f"web.hosts holds {host!r}, which is not the name of a host.",
                hint="Write it in small letters, without a port: kd.example.org.",
            )
        space, _, name = deployment.partition("/")
        try:
            deployment_name(space, name)
        except InvalidNameError:
            raise ConfigurationError(
                f"web.hosts: {host} is to show {deployment!r}, which cannot be a deployment.",
                hint="Write SPACE/DEPLOYMENT, for example web/prod.",
            ) from None


def check_database(database: DatabaseSettings) -> None:
    """Refuse what is no PostgreSQL's URL; it is not shown, since it holds a password.

    Raises:
        ConfigurationError: it is something else.
    """
    if database.url is None:
        return
    if not database.url.startswith(("postgresql://", "postgres://")):
        raise ConfigurationError(
            "database.url is not the URL of a PostgreSQL.",
            hint="Write postgresql://user:password@host:5432/name, or remove it for SQLite.",
        )


def check_origins(origins: Iterable[str]) -> None:
    """Refuse what no browser sends as an Origin, and ``*``: readers show tokens.

    Raises:
        ConfigurationError: it names the one.
    """
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ConfigurationError(
                f"files.origins holds {origin!r}, which is not the origin of a page.",
                hint="Write scheme, host and port as a browser does: https://app.example.org.",
            )
