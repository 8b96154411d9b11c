"""The sections of klarity.toml: each setting with its type, its default and what it means."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec

from klarity_storage.protocol.spaces import Strategy

MAIN: Final = "main"
"""The engine of [engine], and the bucket of [storage]: where everything lies unless told."""

_Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
_Count = Annotated[int, msgspec.Meta(ge=1)]


def _doc(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text)


def _secret(text: str, variable: str) -> msgspec.Meta:
    """A setting that is never shown, and that the environment may hold under this name.

    In a section of named tables ``{NAME}`` in it stands for the table's name.
    """
    return msgspec.Meta(description=text, extra={"variable": variable})


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of klarity.toml."""

    def __repr__(self) -> str:
        hidden = variables_of(type(self))
        shown = (
            f"{field}={'***' if field in hidden else repr(getattr(self, field))}"
            for field in self.__struct_fields__
            if getattr(self, field) is not None
        )
        return f"{type(self).__name__}({', '.join(shown)})"


class ServerSettings(Section, frozen=True):
    host: Annotated[str, _doc("The address that the control plane listens on.")] = "127.0.0.1"
    port: Annotated[_Port, _doc("Its port; 0 takes any free one.")] = 8420
    trusted_proxies: Annotated[
        tuple[str, ...],
        _doc(
            "Addresses and networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are "
            "read; from all others they are ignored."
        ),
    ] = ()


class LogSettings(Section, frozen=True):
    format: Annotated[
        Literal["text", "json"], _doc("text: for people. json: an object a line, for programs.")
    ] = "text"
    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        _doc("info: with a line for each request. warning: without."),
    ] = "info"


class LimitsSettings(Section, frozen=True):
    connections: Annotated[_Count, _doc("Connections at once; more wait until one ends.")] = 1024
    requests: Annotated[
        _Count, _doc("Requests that are worked on at once; more are refused with status 503.")
    ] = 512
    head_seconds: Annotated[
        _Count, _doc("Seconds in which the head of a request arrives, or the connection ends.")
    ] = 30
    head_bytes: Annotated[
        Annotated[int, msgspec.Meta(ge=8192)],
        _doc("Bytes of the head of a request, 8192 at least."),
    ] = 32_768
    body_seconds: Annotated[
        _Count, _doc("Seconds in which the body of a request arrives, or it is refused.")
    ] = 30
    body_bytes: Annotated[
        _Count, _doc("Bytes of the body of a request: small JSON, never data.")
    ] = 1 << 20
    guesses: Annotated[
        Annotated[int, msgspec.Meta(ge=0)],
        _doc(
            "Tokens a minute that are not good, from one address or with one beginning, before"
            " more are refused with status 429; 0: any number."
        ),
    ] = 60


class MetricsSettings(Section, frozen=True):
    port: Annotated[
        _Port | None,
        _doc("A port of its own on which /metrics takes no token; 0 takes any free one."),
    ] = None
    host: Annotated[str, _doc("The address that this port is on.")] = "127.0.0.1"


class TlsSettings(Section, frozen=True):
    certificate: Annotated[
        str | None,
        _doc("File of the certificate in PEM, and of those between it and its authority: HTTPS."),
    ] = None
    key: Annotated[str | None, _doc("File of its private key, which the owner alone may read.")] = (
        None
    )


class EngineSettings(Section, frozen=True):
    kind: Annotated[
        Literal["seaweed", "s3"],
        _doc("seaweed: embedded, started with the server. s3: one that stands already."),
    ] = "seaweed"
    port: Annotated[
        _Port, _doc("seaweed: the loopback port of S3; 0 takes the last one or any free one.")
    ] = 0
    endpoint: Annotated[str | None, _doc("s3: its URL.")] = None
    sts_endpoint: Annotated[
        str | None, _doc("s3: the URL of STS, where that is not the endpoint (AWS).")
    ] = None
    public_endpoint: Annotated[
        str | None, _doc("The URL of S3 that clients are given, where a proxy gives it another.")
    ] = None
    region: Annotated[str, _doc("s3: its region.")] = "us-east-1"
    role_arn: Annotated[
        str | None, _doc("s3: the role that temporary credentials are made from.")
    ] = None
    access_key_id: Annotated[
        str | None,
        _secret("s3: the server's own key; better in KS_S3_ACCESS_KEY_ID.", "KS_S3_ACCESS_KEY_ID"),
    ] = None
    secret_access_key: Annotated[
        str | None,
        _secret("s3: its secret; better in KS_S3_SECRET_ACCESS_KEY.", "KS_S3_SECRET_ACCESS_KEY"),
    ] = None


class NamedEngineSettings(EngineSettings, frozen=True):
    """Another engine than the main one; only the main one may be embedded."""

    kind: Annotated[Literal["s3"], _doc("Only s3: the embedded one is always [engine].")] = "s3"
    access_key_id: Annotated[
        str | None,
        _secret(
            "The server's own key; better in KS_S3_<NAME>_ACCESS_KEY_ID.",
            "KS_S3_{NAME}_ACCESS_KEY_ID",
        ),
    ] = None
    secret_access_key: Annotated[
        str | None,
        _secret(
            "Its secret; better in KS_S3_<NAME>_SECRET_ACCESS_KEY.",
            "KS_S3_{NAME}_SECRET_ACCESS_KEY",
        ),
    ] = None


class BucketSettings(Section, frozen=True):
    strategy: Annotated[
        Strategy,
        _doc("reference: history stays. scratch: it expires. web: anyone reads it."),
    ] = Strategy.REFERENCE
    engine: Annotated[str, _doc("Which engine it lies on: main is [engine].")] = MAIN
    bucket: Annotated[str | None, _doc("Its name there; the name of the table without it.")] = None
    days: Annotated[
        _Count | None, _doc("scratch: how long after it was written something expires.")
    ] = None
    public: Annotated[
        bool | None, _doc("web: whether anyone reads it, without a token too; true without it.")
    ] = None


class StorageSettings(Section, frozen=True):
    bucket: Annotated[str, _doc("The bucket that holds everything, 3 to 63 characters.")] = (
        "klarity"
    )


class DatabaseSettings(Section, frozen=True):
    url: Annotated[
        str | None,
        _secret(
            "A PostgreSQL instead of klarity.db: postgresql://…; better in KS_DATABASE_URL.",
            "KS_DATABASE_URL",
        ),
    ] = None
    connections: Annotated[
        _Count, _doc("PostgreSQL: connections that this server opens at most.")
    ] = 20


class QuerySettings(Section, frozen=True):
    at_once: Annotated[_Count, _doc("Queries that run at once, each in a process of its own.")] = 4
    each: Annotated[_Count, _doc("Queries of one caller that run at once.")] = 2
    waiting: Annotated[
        Annotated[int, msgspec.Meta(ge=0)],
        _doc("Queries of one caller that wait for their turn; more are refused."),
    ] = 32
    patience: Annotated[_Count, _doc("Seconds that a query waits for its turn at most.")] = 30
    seconds: Annotated[
        _Count, _doc("Seconds that a query may take, until the last row is fetched.")
    ] = 120
    memory: Annotated[
        Annotated[int, msgspec.Meta(ge=16 << 20)],
        _doc(
            "Bytes of memory that a query sorts, joins and groups in; its process gets twice that."
        ),
    ] = 512 << 20
    spill: Annotated[
        _Count, _doc("Bytes on the disk of the data directory that a query may use beside that.")
    ] = 4 << 30
    rows: Annotated[_Count, _doc("Rows of one answer at most.")] = 10_000_000


class AuditSettings(Section, frozen=True):
    days: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | None,
        _doc("Whole days of the audit log that are kept before today's; all without it."),
    ] = None
    request_days: Annotated[
        Annotated[int, msgspec.Meta(ge=0)],
        _doc("seaweed: the same of its log of S3 requests, which is not kept with 0."),
    ] = 30


Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
"""How a JWT may be signed: with a key pair only, so that whoever can verify cannot sign."""


class OidcSettings(Section, frozen=True):
    issuer: Annotated[str, _doc("The issuer's URL, exactly as its tokens name it; https.")]
    audience: Annotated[str, _doc("What its tokens must be made for: this server.")]
    user_claim: Annotated[str, _doc("The claim that names a new user.")] = "preferred_username"
    groups_claim: Annotated[
        str, _doc("The claim that lists the user's groups; dots lead into nested claims.")
    ] = "groups"
    group_prefix: Annotated[
        str | None, _doc("What stands before a group's name here; the table's name and a dot.")
    ] = None
    administrators: Annotated[
        str | None, _doc("The group, as the issuer calls it, whose members are administrators.")
    ] = None
    algorithms: Annotated[
        tuple[Algorithm, ...], _doc("How its tokens may be signed; with key pairs only.")
    ] = ("RS256", "PS256", "ES256", "EdDSA")
    client_id: Annotated[
        str | None,
        _doc("The public client as which `ks login` uses the device flow; none without."),
    ] = None
    scopes: Annotated[tuple[str, ...], _doc("The scopes that `ks login` asks for.")] = (
        "openid",
        "profile",
        "offline_access",
    )
    resource: Annotated[
        str | None,
        _doc("The resource that `ks login` names, where the issuer wants one (RFC 8707)."),
    ] = None

    def group_prefix_of(self, name: str) -> str:
        """What stands before its groups' names, by the name of its table."""
        return f"{name}." if self.group_prefix is None else self.group_prefix


class FilesSettings(Section, frozen=True):
    origins: Annotated[
        tuple[str, ...],
        _doc("Origins (`https://app.example.org`) whose pages may read files, tables and lists."),
    ] = ()
    stall: Annotated[
        _Count, _doc("Seconds after which a reader that takes no byte of a file is cut off.")
    ] = 60
    memory: Annotated[
        Annotated[int, msgspec.Meta(ge=1 << 20)],
        _doc("Bytes that files on their way take in memory at most, beside some 2 MiB a reader."),
    ] = 32 << 20


class ProxySettings(Section, frozen=True):
    address: Annotated[
        str, _doc("The URL under which clients reach nginx: its port is what nginx listens on.")
    ] = "http://127.0.0.1:8421"
    host: Annotated[str, _doc("The address that nginx listens on, for files, API and S3.")] = (
        "127.0.0.1"
    )
    certificate: Annotated[
        str | None,
        _doc("File of the certificate in PEM, and of those between it and its authority: HTTPS."),
    ] = None
    key: Annotated[str | None, _doc("File of its private key, which the owner alone may read.")] = (
        None
    )
    folder: Annotated[
        str, _doc("What nginx writes lies here: its cache. Its owner is who nginx's workers are.")
    ] = "proxy"
    cache: Annotated[
        Annotated[int, msgspec.Meta(ge=1 << 20)], _doc("Bytes of files that are cached at most.")
    ] = 10 << 30
    decision: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=60)],
        _doc(
            "Seconds for which it is remembered at most that a caller may read a version; with 1"
            " the server is asked each time."
        ),
    ] = 5
    connections: Annotated[
        _Count, _doc("Requests of one address that are worked on at once; more are refused.")
    ] = 256


class Settings(Section, frozen=True):
    """What a server is started with."""

    data: Path
    """The data directory: not in the file, which may lie in it."""
    server: ServerSettings = ServerSettings()
    engine: EngineSettings = EngineSettings()
    storage: StorageSettings = StorageSettings()
    database: DatabaseSettings = DatabaseSettings()
    query: QuerySettings = QuerySettings()
    engines: dict[str, NamedEngineSettings] = {}
    buckets: dict[str, BucketSettings] = {}
    log: LogSettings = LogSettings()
    limits: LimitsSettings = LimitsSettings()
    metrics: MetricsSettings = MetricsSettings()
    audit: AuditSettings = AuditSettings()
    oidc: dict[str, OidcSettings] = {}
    tls: TlsSettings = TlsSettings()
    files: FilesSettings = FilesSettings()
    proxy: ProxySettings = ProxySettings()


class Shape(msgspec.Struct, frozen=True):
    """What a section of the file looks like."""

    section: type[Section]
    named: bool
    """Whether it is a table of tables: ``[buckets.scratch]``."""


def variables_of(section: type[Section]) -> dict[str, str]:
    """The secrets of a section, with the names under which the environment may hold them."""
    hints = get_type_hints(section, include_extras=True)
    return {
        field: note.extra["variable"]
        for field, hint in hints.items()
        for note in getattr(hint, "__metadata__", ())
        if isinstance(note, msgspec.Meta) and note.extra
    }


def _shapes() -> dict[str, Shape]:
    hints: dict[str, Any] = get_type_hints(Settings)
    del hints["data"]
    return {
        name: Shape(get_args(hint)[1], named=True)
        if get_origin(hint) is dict
        else Shape(hint, named=False)
        for name, hint in hints.items()
    }


SECTIONS: Final = _shapes()
"""Every section that the file may have, by name."""


class Setting(msgspec.Struct, frozen=True):
    """One line of the table."""

    key: str
    """``engine.kind``, or ``buckets.<name>.strategy``."""
    default: Any
    text: str


def table() -> list[Setting]:
    """Every setting with its default and what it means, in order.

    >>> table()[0].key
    'server.host'
    """
    return [
        Setting(
            f"{name}.<name>.{field.name}" if shape.named else f"{name}.{field.name}",
            None if field.required else _shown(field.default),
            hints[field.name].__metadata__[-1].description,
        )
        for name, shape in SECTIONS.items()
        for hints in [get_type_hints(shape.section, include_extras=True)]
        for field in msgspec.structs.fields(shape.section)
    ]


def _shown(default: Any) -> Any:
    """A default as the file would say it."""
    return (list(default) or None) if isinstance(default, tuple) else default
