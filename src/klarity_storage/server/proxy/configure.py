"""Write the configuration of nginx from the settings of a server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from klarity_storage.errors import ConfigurationError
from klarity_storage.server.files.objects import STATE
from klarity_storage.server.http.cors import EXPOSED
from klarity_storage.server.proxy.problems import (
    OF_FILES,
    OF_S3,
    error_pages,
    file_problems,
    s3_problems,
)
from klarity_storage.server.proxy.ranges import NUMBER, beyond, ends_before
from klarity_storage.server.rights.refusals import HEADER
from klarity_storage.server.settings.proxy import Place, read_place
from klarity_storage.server.settings.sections import MAIN, Settings, TlsSettings
from klarity_storage.server.tls.read import read_certificate

_HOLE: Final = re.compile(r"\{\{([a-z_0-9]+)\}\}")
_UNQUOTABLE: Final = re.compile(r"[\x00-\x1f\"'$\\{};]")
_NAME: Final = "[a-z0-9][a-z0-9._-]{0,127}"
_SLICE: Final = "4m"
_ANSWER: Final = 300
"""Seconds that the server may think at least: a collection of garbage takes its time."""

_TLS: Final = """
    ssl_certificate "{{certificate}}";
    ssl_certificate_key "{{key}}";
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;
    ssl_session_cache shared:ks_tls:10m;
    ssl_session_tickets off;
"""


def configure(settings: Settings) -> str:
    """The configuration, for nginx on the server's machine; its folder is made where it lacks.

    Raises:
        ConfigurationError: a setting that nginx needs is missing, or cannot be written for it.
    """
    place = read_place("proxy.address", settings.proxy.address)
    folder = _folder(settings)
    limits, decision = settings.limits, settings.proxy.decision
    known: dict[str, Any] = {
        "user": _owner(folder),
        "folder": _quotable("proxy.folder", folder),
        "tls": _tls(settings),
        "server": _server(settings),
        "name": _NAME,
        "listen": _listen(settings.proxy.host, place),
        "server_name": place.host,
        "origins": "".join(
            f'        "{origin}" "{origin}";\n' for origin in settings.files.origins
        ),
        "exposed": EXPOSED,
        "head_seconds": limits.head_seconds,
        "head_bytes": limits.head_bytes,
        "body_seconds": limits.body_seconds,
        "body_bytes": limits.body_bytes,
        "stall": settings.files.stall,
        "answer_seconds": max(_ANSWER, settings.query.patience + settings.query.seconds + 30),
        "idle": max(1, limits.head_seconds // 2),  # the server hangs up after all of them
        "connections": settings.proxy.connections,
        "cache": settings.proxy.cache,
        "slice": _SLICE,
        "number": NUMBER,
        "refusal": HEADER,
        "refusal_variable": _variable(HEADER),
        "state_variable": _variable(STATE),
        "ends_before": ends_before(),
        "beyond": beyond(),
        "each_time": '""' if decision > 1 else "1",
        # nginx counts whole seconds, and the last one to its end
        "valid": max(1, decision - 1),
        "forget": decision + 10,
        "error_pages": error_pages(OF_FILES),
        "problems": file_problems(),
        "s3": _s3(settings, place),
    }
    return _filled(_template("nginx.conf.in"), known)


def _variable(header: str) -> str:
    return header.lower().replace("-", "_")


def publishes_s3(settings: Settings) -> bool:
    """Whether the proxy leads to the engine, too: to the embedded one, if it has a public name."""
    return settings.engine.kind == "seaweed" and settings.engine.public_endpoint is not None


def _s3(settings: Settings, beside: Place) -> str:
    engine = settings.engine
    if not publishes_s3(settings):
        return ""
    place = read_place("engine.public_endpoint", engine.public_endpoint or "")
    if place[1:] == beside[1:]:
        raise ConfigurationError(
            "engine.public_endpoint and proxy.address are one place.",
            hint="Give S3 a host or a port of its own.",
        )
    if place.encrypted and settings.proxy.certificate is None:
        raise ConfigurationError(
            f"engine.public_endpoint is {engine.public_endpoint}, and HTTPS needs a certificate.",
            hint="Set proxy.certificate and proxy.key.",
        )
    if place.port == beside.port and place.encrypted is not beside.encrypted:
        raise ConfigurationError(
            "engine.public_endpoint and proxy.address share a port, and only one is https.",
            hint="Let both begin with https://.",
        )
    buckets = {settings.storage.bucket} | {
        bucket.bucket or name for name, bucket in settings.buckets.items() if bucket.engine == MAIN
    }
    known = {
        "engine": f"127.0.0.1:{_fixed('engine.port', engine.port)}",
        "buckets": "|".join(re.escape(bucket) for bucket in sorted(buckets)),
        "listen": _listen(settings.proxy.host, place),
        "server_name": place.host,
        "body_seconds": settings.limits.body_seconds,
        "error_pages": error_pages(OF_S3),
        "problems": s3_problems(),
    }
    return _filled(_template("s3.conf.in"), known)


def _tls(settings: Settings) -> str:
    if settings.tls.certificate is not None:
        raise ConfigurationError(
            "The server speaks HTTPS itself, and nginx would have to do it again.",
            hint="Move tls.certificate and tls.key to proxy.certificate and proxy.key.",
        )
    own = TlsSettings(certificate=settings.proxy.certificate, key=settings.proxy.key)
    found = read_certificate(own, settings.data)
    if found is None:
        return ""
    files = {"certificate": found.file.resolve(), "key": found.key.resolve()}
    return _filled(_TLS, {what: _quotable(f"proxy.{what}", at) for what, at in files.items()})


def _server(settings: Settings) -> str:
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what is listened on
    host = everywhere.get(settings.server.host, settings.server.host)
    port = _fixed("server.port", settings.server.port)
    _quotable("server.host", host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _fixed(key: str, port: int) -> int:
    if not port:
        raise ConfigurationError(
            f"{key} is 0, which is any free port: nginx would not find it again.",
            hint=f"Set {key} in klarity.toml.",
        )
    return port


def _listen(host: str, place: Place) -> str:
    at = f"[{host}]:{place.port}" if ":" in host else f"{host}:{place.port}"
    return f"{at} ssl http2" if place.encrypted else at


def _folder(settings: Settings) -> Path:
    if not settings.data.is_dir():
        raise ConfigurationError(
            f"There is no data directory {settings.data}.", hint=f"ks serve --data {settings.data}"
        )
    folder = (settings.data / settings.proxy.folder).resolve()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "temporary").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"The proxy's folder {folder} cannot be made: {error.strerror}.",
            hint="Check proxy.folder.",
        ) from error
    return folder


def _owner(folder: Path) -> str:
    """Who nginx's workers are where root starts it: whose folder it is, and nobody else's."""
    try:
        return f"{folder.owner()} {folder.group()}"
    except KeyError as error:
        raise ConfigurationError(
            f"The owner of {folder} has no name on this machine.", hint="Check proxy.folder."
        ) from error


def _quotable(key: str, value: object) -> str:
    text = str(value)
    if _UNQUOTABLE.search(text):
        raise ConfigurationError(
            f"{key} = {text!r} cannot be written for nginx.",
            hint="Choose a name without quotes, braces, '$', ';' and '\\'.",
        )
    return text


def _template(name: str) -> str:
    return (files(__package__) / name).read_text()


def _filled(template: str, known: Mapping[str, Any]) -> str:
    return _HOLE.sub(lambda hole: str(known[hole[1]]), template)
