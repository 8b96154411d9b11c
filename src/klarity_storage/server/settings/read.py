"""Read the settings of a server.

The command line wins over ``klarity.toml``, which wins over the defaults. Secrets may also come
from the environment, which wins over the file.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from klarity_storage.errors import ConfigurationError
from klarity_storage.server.settings.check import check_settings
from klarity_storage.server.settings.sections import (
    SECTIONS,
    Section,
    Settings,
    Shape,
    table,
    variables_of,
)

FILE: Final = "klarity.toml"
"""Read from the data directory unless another file is named."""


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
        environment: where secrets may stand.

    Raises:
        ConfigurationError: a key that does not exist, a value of another type, a combination that
            cannot work, or a file with secrets that others may read.

    >>> read_settings(Path("/srv/ks"), overrides={"server.port": 9000}).server.port
    9000
    """
    values, source = _read_file(file or data / FILE, required=file is not None)
    _check_keys(values, source)
    _fill_secrets(values, environment or {})
    for key, value in (overrides or {}).items():
        if value is not None:
            section, _, field = key.partition(".")
            values.setdefault(section, {})[field] = value
    sections = {
        name: _convert(name, shape, values.get(name, {}), source)
        for name, shape in SECTIONS.items()
    }
    settings = Settings(data=data, **sections)  # type: ignore[arg-type]  # each by its own name
    check_settings(settings)
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
    secret = any(
        field in content
        for _, shape, content in _tables(values)
        for field in variables_of(shape.section)
    )
    if secret and path.stat().st_mode & 0o077:
        raise ConfigurationError(
            f"The settings file {path} holds a secret and may be read by others.",
            hint=f"Run: chmod 600 {path}",
        )
    return values, str(path)


def _tables(values: dict[str, Any]) -> Iterator[tuple[str, Shape, dict[str, Any]]]:
    """Every table of the file that has a shape, with its key: ``engine``, ``buckets.scratch``."""
    for name, shape in SECTIONS.items():
        content = values.get(name)
        if not isinstance(content, dict):
            continue
        if not shape.named:
            yield name, shape, content
            continue
        for key, inner in content.items():
            if isinstance(inner, dict):
                yield f"{name}.{key}", shape, inner


def _fill_secrets(values: dict[str, Any], environment: Mapping[str, str]) -> None:
    """Put what the environment holds over what the file says."""
    for name, shape in SECTIONS.items():
        if not shape.named and any(v in environment for v in variables_of(shape.section).values()):
            values.setdefault(name, {})
    for key, shape, content in _tables(values):
        name = key.rpartition(".")[2].upper().replace("-", "_")
        for field, variable in variables_of(shape.section).items():
            if secret := environment.get(variable.replace("{NAME}", name)):
                content[field] = secret


def _check_keys(values: dict[str, Any], source: str) -> None:
    for section, content in values.items():
        if section not in SECTIONS:
            raise _unknown(section, f"[{section}]", list(SECTIONS), source)
        tables = content.values() if SECTIONS[section].named and isinstance(content, dict) else ()
        if not all(isinstance(part, dict) for part in (content, *tables)):
            raise ConfigurationError(f"{section!r} in {source} is a section, not a value.")
    for key, shape, content in _tables(values):
        section = key.partition(".")[0]
        known = [s.key.replace(f"{section}.<name>", key) for s in table()]
        for field in content:
            if field not in shape.section.__struct_fields__:
                raise _unknown(f"{key}.{field}", f"{key}.{field}", known, source)


def _unknown(key: str, shown: str, known: list[str], source: str) -> ConfigurationError:
    # The field decides: engin.port is nearer to engine.port than to server.port.
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."
    return ConfigurationError(f"There is no setting {shown} (in {source}).", hint=hint)


def _convert(
    section: str, shape: Shape, values: dict[str, Any], source: str
) -> Section | dict[str, Section]:
    if shape.named:
        return {
            name: _as(f"{section}.{name}", shape.section, content, source)
            for name, content in values.items()
        }
    return _as(section, shape.section, values, source)


def _as(key: str, section: type[Section], values: dict[str, Any], source: str) -> Section:
    try:
        return msgspec.convert(values, section)
    except msgspec.ValidationError as error:
        # msgspec says: Expected `int`, got `str` - at `$.port`. It never shows the value.
        what, _, where = str(error).partition(" - at `$.")
        field = f"{key}.{where.rstrip('`')}" if where else key
        raise ConfigurationError(f"The setting {field} is wrong: {what} (in {source}).") from error
