"""The sections of klarity.toml: each setting with its type, its default and what it means."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec

from klarity_storage.protocol.spaces import Strategy
from klarity_storage.server.settings.section import Count, Port, Section, doc, secret, variables_of
from klarity_storage.server.settings.serving import (
    FilesSettings,
    LimitsSettings,
    LogSettings,
    MetricsSettings,
    ProxySettings,
    ServerSettings,
    ThumbnailSettings,
    TlsSettings,
    WebSettings,
)

__all__ = [
    "MAIN",
    "SECTIONS",
    "AuditSettings",
    "BucketSettings",
    "DatabaseSettings",
    "EngineSettings",
    "FilesSettings",
    "LimitsSettings",
    "LogSettings",
    "MetricsSettings",
    "NamedEngineSettings",
    "OidcSettings",
    "ProxySettings",
    "QuerySettings",
    "Section",
    "ServerSettings",
    "Setting",
    "Settings",
    "Shape",
    "StorageSettings",
    "ThumbnailSettings",
    "TlsSettings",
    "WebSettings",
    "table",
    "variables_of",
]

MAIN: Final = "main"
"""The engine of [engine], and the bucket of [storage]: where everything lies unless told."""


class EngineSettings(Section, frozen=True):
    kind: Annotated[
        Literal["seaweed", "s3"],
        doc("seaweed: embedded, started with the server. s3: one that stands already."),
    ] = "seaweed"
    port: Annotated[
        Port, doc("seaweed: the loopback port of S3; 0 takes the last one or any free one.")
    ] = 0
    endpoint: Annotated[str | None, doc("s3: its URL.")] = None
    sts_endpoint: Annotated[
        str | None, doc("s3: the URL of STS, where that is not the endpoint (AWS).")
    ] = None
    public_endpoint: Annotated[
        str | None, doc("The URL of S3 that clients are given, where a proxy gives it another.")
    ] = None
    region: Annotated[str, doc("s3: its region.")] = "us-east-1"
    role_arn: Annotated[
        str | None, doc("s3: the role that temporary credentials are made from.")
    ] = None
    access_key_id: Annotated[
        str | None,
        secret("s3: the server's own key; better in KS_S3_ACCESS_KEY_ID.", "KS_S3_ACCESS_KEY_ID"),
    ] = None
    secret_access_key: Annotated[
        str | None,
        secret("s3: its secret; better in KS_S3_SECRET_ACCESS_KEY.", "KS_S3_SECRET_ACCESS_KEY"),
    ] = None


class NamedEngineSettings(EngineSettings, frozen=True):
    """Another engine than the main one; only the main one may be embedded."""

    kind: Annotated[Literal["s3"], doc("Only s3: the embedded one is always [engine].")] = "s3"
    access_key_id: Annotated[
        str | None,
        secret(
            "The server's own key; better in KS_S3_<NAME>_ACCESS_KEY_ID.",
            "KS_S3_{NAME}_ACCESS_KEY_ID",
        ),
    ] = None
    secret_access_key: Annotated[
        str | None,
        secret(
            "Its secret; better in KS_S3_<NAME>_SECRET_ACCESS_KEY.",
            "KS_S3_{NAME}_SECRET_ACCESS_KEY",
        ),
    ] = None


class BucketSettings(Section, frozen=True):
    strategy: Annotated[
        Strategy,
        doc("reference: history stays. scratch: it expires. web: anyone reads it."),
    ] = Strategy.REFERENCE
    engine: Annotated[str, doc("Which engine it lies on: main is [engine].")] = MAIN
    bucket: Annotated[str | None, doc("Its name there; the name of the table without it.")] = None
    days: Annotated[
        Count | None, doc("scratch: how long after it was written something expires.")
    ] = None
    public: Annotated[
        bool | None, doc("web: whether anyone reads it, without a token too; true without it.")
    ] = None


class StorageSettings(Section, frozen=True):
    bucket: Annotated[str, doc("The bucket that holds everything, 3 to 63 characters.")] = "klarity"


class DatabaseSettings(Section, frozen=True):
    url: Annotated[
        str | None,
        secret(
            "A PostgreSQL instead of klarity.db: postgresql://…; better in KS_DATABASE_URL.",
            "KS_DATABASE_URL",
        ),
    ] = None
    connections: Annotated[
        Count, doc("PostgreSQL: connections that this server opens at most.")
    ] = 20


class QuerySettings(Section, frozen=True):
    at_once: Annotated[Count, doc("Queries that run at once, each in a process of its own.")] = 4
    each: Annotated[Count, doc("Queries of one caller that run at once.")] = 2
    waiting: Annotated[
        Annotated[int, msgspec.Meta(ge=0)],
        doc("Queries of one caller that wait for their turn; more are refused."),
    ] = 32
    patience: Annotated[Count, doc("Seconds that a query waits for its turn at most.")] = 30
    seconds: Annotated[
        Count, doc("Seconds that a query may take, until the last row is fetched.")
    ] = 120
    memory: Annotated[
        Annotated[int, msgspec.Meta(ge=16 << 20)],
        doc(
            "Bytes of memory that a query sorts, joins and groups in; its process gets twice that."
        ),
    ] = 512 << 20
    spill: Annotated[
        Count, doc("Bytes on the disk of the data directory that a query may use beside that.")
    ] = 4 << 30
    rows: Annotated[Count, doc("Rows of one answer at most.")] = 10_000_000


class AuditSettings(Section, frozen=True):
    days: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | None,
        doc("Whole days of the audit log that are kept before today's; all without it."),
    ] = None
    request_days: Annotated[
        Annotated[int, msgspec.Meta(ge=0)],
        doc("seaweed: the same of its log of S3 requests, which is not kept with 0."),
    ] = 30


Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
"""How a JWT may be signed: with a key pair only, so that whoever can verify cannot sign."""


class OidcSettings(Section, frozen=True):
    issuer: Annotated[str, doc("The issuer's URL, exactly as its tokens name it; https.")]
    audience: Annotated[str, doc("What its tokens must be made for: this server.")]
    user_claim: Annotated[str, doc("The claim that names a new user.")] = "preferred_username"
    groups_claim: Annotated[
        str, doc("The claim that lists the user's groups; dots lead into nested claims.")
    ] = "groups"
    group_prefix: Annotated[
        str | None, doc("What stands before a group's name here; the table's name and a dot.")
    ] = None
    administrators: Annotated[
        str | None, doc("The group, as the issuer calls it, whose members are administrators.")
    ] = None
    algorithms: Annotated[
        tuple[Algorithm, ...], doc("How its tokens may be signed; with key pairs only.")
    ] = ("RS256", "PS256", "ES256", "EdDSA")
    client_id: Annotated[
        str | None,
        doc("The public client as which `ks login` uses the device flow; none without."),
    ] = None
    scopes: Annotated[tuple[str, ...], doc("The scopes that `ks login` asks for.")] = (
        "openid",
        "profile",
        "offline_access",
    )
    resource: Annotated[
        str | None,
        doc("The resource that `ks login` names, where the issuer wants one (RFC 8707)."),
    ] = None

    def group_prefix_of(self, name: str) -> str:
        """What stands before its groups' names, by the name of its table."""
        return f"{name}." if self.group_prefix is None else self.group_prefix


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
    thumbnails: ThumbnailSettings = ThumbnailSettings()
    web: WebSettings = WebSettings()


class Shape(msgspec.Struct, frozen=True):
    """What a section of the file looks like."""

    section: type[Section]
    named: bool
    """Whether it is a table of tables: ``[buckets.scratch]``."""


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
    if default is msgspec.NODEFAULT:  # it is made anew each time: an empty table
        return None
    if isinstance(default, bool):
        return str(default).lower()
    return (list(default) or None) if isinstance(default, tuple) else default
