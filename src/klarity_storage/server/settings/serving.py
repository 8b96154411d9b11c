"""The sections about how the server is reached, and what it gives out."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from klarity_storage.server.settings.section import Count, Port, Section, doc


class ServerSettings(Section, frozen=True):
    host: Annotated[str, doc("The address that the control plane listens on.")] = "127.0.0.1"
    port: Annotated[Port, doc("Its port; 0 takes any free one.")] = 8420
    trusted_proxies: Annotated[
        tuple[str, ...],
        doc(
            "Addresses and networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are "
            "read; from all others they are ignored."
        ),
    ] = ()


class LogSettings(Section, frozen=True):
    format: Annotated[
        Literal["text", "json"], doc("text: for people. json: an object a line, for programs.")
    ] = "text"
    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        doc("info: with a line for each request. warning: without."),
    ] = "info"


class LimitsSettings(Section, frozen=True):
    connections: Annotated[Count, doc("Connections at once; more wait until one ends.")] = 1024
    requests: Annotated[
        Count, doc("Requests that are worked on at once; more are refused with status 503.")
    ] = 512
    head_seconds: Annotated[
        Count, doc("Seconds in which the head of a request arrives, or the connection ends.")
    ] = 30
    head_bytes: Annotated[
        Annotated[int, msgspec.Meta(ge=8192)],
        doc("Bytes of the head of a request, 8192 at least."),
    ] = 32_768
    body_seconds: Annotated[
        Count, doc("Seconds in which the body of a request arrives, or it is refused.")
    ] = 30
    body_bytes: Annotated[Count, doc("Bytes of the body of a request: small JSON, never data.")] = (
        1 << 20
    )
    guesses: Annotated[
        Annotated[int, msgspec.Meta(ge=0)],
        doc(
            "Tokens a minute that are not good, from one address or with one beginning, before"
            " more are refused with status 429; 0: any number."
        ),
    ] = 60


class MetricsSettings(Section, frozen=True):
    port: Annotated[
        Port | None,
        doc("A port of its own on which /metrics takes no token; 0 takes any free one."),
    ] = None
    host: Annotated[str, doc("The address that this port is on.")] = "127.0.0.1"


class TlsSettings(Section, frozen=True):
    certificate: Annotated[
        str | None,
        doc("File of the certificate in PEM, and of those between it and its authority: HTTPS."),
    ] = None
    key: Annotated[str | None, doc("File of its private key, which the owner alone may read.")] = (
        None
    )


class FilesSettings(Section, frozen=True):
    origins: Annotated[
        tuple[str, ...],
        doc("Origins (`https://app.example.org`) whose pages may read files, tables and lists."),
    ] = ()
    stall: Annotated[
        Count, doc("Seconds after which a reader that takes no byte of a file is cut off.")
    ] = 60
    memory: Annotated[
        Annotated[int, msgspec.Meta(ge=1 << 20)],
        doc("Bytes that files on their way take in memory at most, beside half a MiB a reader."),
    ] = 16 << 20


class ProxySettings(Section, frozen=True):
    address: Annotated[
        str, doc("The URL under which clients reach nginx: its port is what nginx listens on.")
    ] = "http://127.0.0.1:8421"
    host: Annotated[str, doc("The address that nginx listens on, for files, API and S3.")] = (
        "127.0.0.1"
    )
    certificate: Annotated[
        str | None,
        doc("File of the certificate in PEM, and of those between it and its authority: HTTPS."),
    ] = None
    key: Annotated[str | None, doc("File of its private key, which the owner alone may read.")] = (
        None
    )
    folder: Annotated[
        str, doc("What nginx writes lies here: its cache. Its owner is who nginx's workers are.")
    ] = "proxy"
    cache: Annotated[
        Annotated[int, msgspec.Meta(ge=1 << 20)], doc("Bytes of files that are cached at most.")
    ] = 10 << 30
    decision: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=60)],
        doc(
            "Seconds for which it is remembered at most that a caller may read a version; with 1"
            " the server is asked each time."
        ),
    ] = 5
    connections: Annotated[
        Count, doc("Requests of one address that are worked on at once; more are refused.")
    ] = 256


class ThumbnailSettings(Section, frozen=True):
    at_once: Annotated[
        Count, doc("Thumbnails that are drawn at once, each in a process of its own.")
    ] = 2
    seconds: Annotated[Count, doc("Seconds that one may take.")] = 10
    memory: Annotated[
        Annotated[int, msgspec.Meta(ge=64 << 20)], doc("Bytes of memory that one may take.")
    ] = 768 << 20
    pixels: Annotated[Count, doc("Pixels of an image at most; one of more is not decoded.")] = (
        50_000_000
    )
    bytes: Annotated[Count, doc("Bytes of an image's file at most.")] = 64 << 20


class WebSettings(Section, frozen=True):
    hosts: Annotated[
        dict[str, str],
        doc('Host names that show a deployment: `"kd.example.org" = "web/prod"`.'),
    ] = {}
    paths: Annotated[
        bool,
        doc("Whether each deployment is also at /web/SPACE/DEPLOYMENT/ of the server's address."),
    ] = True
    releases: Annotated[
        Count, doc("Releases of a deployment that can be rolled back to, and are kept for that.")
    ] = 10
    memory: Annotated[
        Annotated[int, msgspec.Meta(ge=1 << 20)],
        doc("Bytes of small files of front ends that are kept in memory."),
    ] = 64 << 20
