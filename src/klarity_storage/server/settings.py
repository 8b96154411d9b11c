"""Every setting of the server: one table, read in one place.

The command line wins over ``klarity.toml``, which wins over what stands here. The keys of an S3
that stands already may also come from the environment, which wins over the file.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_type_hints
from urllib.parse import urlsplit

import msgspec

from klarity_storage.errors import ConfigurationError

FILE: Final = "klarity.toml"
"""Read from the data directory unless another file is named."""

SECRETS: Final = {
    "access_key_id": "KS_S3_ACCESS_KEY_ID",
    "secret_access_key": "KS_S3_SECRET_ACCESS_KEY",
}
"""The fields of [engine] that the environment may hold, and under which names."""

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]


def _doc(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text)


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class ServerSettings(_Section, frozen=True):
    host: Annotated[str, _doc("The address that the control plane listens on.")] = "127.0.0.1"
    port: Annotated[_Port, _doc("Its port; 0 takes any free one.")] = 8420


class EngineSettings(_Section, frozen=True):
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
        str | None, _doc("s3: the server's own key; better in KS_S3_ACCESS_KEY_ID.")
    ] = None
    secret_access_key: Annotated[
        str | None, _doc("s3: its secret; better in KS_S3_SECRET_ACCESS_KEY.")
    ] = None

    def __repr__(self) -> str:
        return f"EngineSettings(kind={self.kind!r}, endpoint={self.endpoint!r})"


class StorageSettings(_Section, frozen=True):
    bucket: Annotated[str, _doc("The bucket that holds everything, 3 to 63 characters.")] = (
        "klarity"
    )


_Count = Annotated[int, msgspec.Meta(ge=1)]


class QuerySettings(_Section, frozen=True):
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


class Settings(_Section, frozen=True):
    """What a server is started with."""

    data: Path
    """The data directory: not in the file, which may lie in it."""
    server: ServerSettings = ServerSettings()
    engine: EngineSettings = EngineSettings()
    storage: StorageSettings = StorageSettings()
    query: QuerySettings = QuerySettings()


SECTIONS: Final[dict[str, type[_Section]]] = {
    "server": ServerSettings,
    "engine": EngineSettings,
    "storage": StorageSettings,
    "query": QuerySettings,
}


class Setting(msgspec.Struct, frozen=True):
    """One line of the table."""

    key: str
    """``engine.kind``."""
    default: Any
    text: str


def table() -> list[Setting]:
    """Every setting with its default and what it means, in order.

    >>> table()[0].key
    'server.host'
    """
    return [
        Setting(
            f"{section}.{field.name}", field.default, hints[field.name].__metadata__[-1].description
        )
        for section, cls in SECTIONS.items()
        for hints in [get_type_hints(cls, include_extras=True)]
        for field in msgspec.structs.fields(cls)
    ]


def read_settings(
    data: Path,
    *,
    file: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Read the settings of a server.

    Args:
        data: the data directory.
        file: a klarity.toml; without it the one in the data directory, if there is one.
        overrides: values of the command line by key (``engine.kind``); None is not given.
        environment: where the keys of an S3 may stand.

    Raises:
        ConfigurationError: a key that does not exist, a value of another type, a combination that
            cannot work, or a file with secrets that others may read.

    >>> read_settings(Path("/srv/ks"), overrides={"server.port": 9000}).server.port
    9000
    """
    values, source = _read_file(file or data / FILE, required=file is not None)
    _check_keys(values, source)
    for field, variable in SECRETS.items():
        if secret := (environment or {}).get(variable):
            values.setdefault("engine", {})[field] = secret
    for key, value in (overrides or {}).items():
        if value is not None:
            section, _, field = key.partition(".")
            values.setdefault(section, {})[field] = value
    sections = {name: _convert(name, values.get(name, {}), source) for name in SECTIONS}
    settings = Settings(data=data, **sections)  # type: ignore[arg-type]  # each by its own name
    _check_engine(settings.engine)
    _check_bucket(settings.storage.bucket)
    return settings


def _read_file(path: Path, *, required: bool) -> tuple[dict[str, Any], str]:
    try:
        values = tomllib.loads(path.read_text())
    except FileNotFoundError:
        if required:
            raise ConfigurationError(f"There is no settings file {path}.") from None
        return {}, "the command line"
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"The settings file {path} cannot be read: {error}.") from error
    if any(field in values.get("engine", {}) for field in SECRETS) and path.stat().st_mode & 0o077:
        raise ConfigurationError(
            f"The settings file {path} holds a secret and may be read by others.",
            hint=f"Run: chmod 600 {path}",
        )
    return values, str(path)


def _check_keys(values: dict[str, Any], source: str) -> None:
    known = [setting.key for setting in table()]
    for section, content in values.items():
        if section not in SECTIONS:
            raise _unknown(section, f"[{section}]", list(SECTIONS), source)
        if not isinstance(content, dict):
            raise ConfigurationError(f"{section!r} in {source} is a section, not a value.")
        for field in content:
            if f"{section}.{field}" not in known:
                raise _unknown(f"{section}.{field}", f"{section}.{field}", known, source)


def _unknown(key: str, shown: str, known: list[str], source: str) -> ConfigurationError:
    # The field decides: engin.port is nearer to engine.port than to server.port.
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."
    return ConfigurationError(f"There is no setting {shown} (in {source}).", hint=hint)


def _convert(section: str, values: dict[str, Any], source: str) -> _Section:
    try:
        return msgspec.convert(values, SECTIONS[section])
    except msgspec.ValidationError as error:
        # msgspec says: Expected `int`, got `str` - at `$.port`. It never shows the value.
        what, _, where = str(error).partition(" - at `$.")
        key = f"{section}.{where.rstrip('`')}" if where else section
        raise ConfigurationError(f"The setting {key} is wrong: {what} (in {source}).") from error


def _check_engine(engine: EngineSettings) -> None:
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
    if engine.kind == "s3" and (missing := sorted({"endpoint", "role_arn", *SECRETS} - given)):
        keys = " and ".join(f"engine.{name}" for name in missing)
        variables = " and ".join(SECRETS.values())
        raise ConfigurationError(
            f"An S3 that stands already needs {keys}.",
            hint=f"Set them in {FILE}; the keys may also stand in {variables}.",
        )
    for name in ("endpoint", "sts_endpoint", "public_endpoint"):
        url = urlsplit(getattr(engine, name) or "http://none")
        if url.scheme not in {"http", "https"} or not url.hostname:
            raise ConfigurationError(f"engine.{name} is not a URL such as https://s3.example.org.")


def _check_bucket(bucket: str) -> None:
    if not _BUCKET.fullmatch(bucket):
        raise ConfigurationError(
            f"storage.bucket = {bucket!r} cannot be the name of a bucket.",
            hint="Use 3 to 63 of a-z, 0-9, '.' and '-'.",
        )
