"""The ``.safenai`` files: found, read, and changed in one step with their comments."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from klarity_storage.errors import ConfigurationError

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

FILE_NAME: Final = ".safenai"


def home_file() -> Path:
    """The one that may hold a token."""
    return Path.home() / FILE_NAME


def nearest_file(start: Path) -> Path | None:
    """The file in a folder, or in the nearest folder above it that has one."""
    found = (folder / FILE_NAME for folder in (start, *start.parents))
    return next((file for file in found if _is_file(file)), None)


def files_from(start: Path) -> list[Path]:
    """The files that count in a folder, the nearest first, the home directory's last."""
    home = home_file()
    nearest = nearest_file(start) or home
    return [file for file in dict.fromkeys((nearest, home)) if _is_file(file)]


def read_section(file: Path) -> dict[str, Any]:
    """What the file says under ``[storage]``.

    Raises:
        ConfigurationError: it is not TOML, or cannot be read.
    """
    section = _parsed(file).get("storage", {})
    if not isinstance(section, dict):
        raise ConfigurationError(f"'storage' in {file} is not a table.")
    return section


@contextmanager
def edited(file: Path, *, mode: int | None = None) -> Iterator[TOMLDocument]:
    """Change a file, which is made if it is not there; nothing is written when the block raises.

    Others that change it wait, so that nobody's entry is lost; those that read it find the old
    file or the new one. Comments, order and mode stay.

    Args:
        file: which; of a link, what it points at.
        mode: what the file's mode is to be, whatever it was.

    Raises:
        ConfigurationError: what stands in it cannot be read, and is not overwritten.
    """
    import tomlkit  # noqa: PLC0415 - only for writing

    file = file.resolve()
    with _alone(file.parent):
        text = ""
        if _is_file(file):
            _parsed(file)
            text = file.read_text(encoding="utf-8")
        document = tomlkit.parse(text)
        yield document
        changed = tomlkit.dumps(document)
        if changed == text and mode is None:
            return
        if tomllib.loads(changed) != document.unwrap():
            raise ConfigurationError(
                f"{file} cannot be changed without spoiling it.", hint="Change it in an editor."
            )
        _replace(file, changed, mode)


def _parsed(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}.") from error


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:
        return False  # a service may run with a home directory that it may not look into


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else changes a file of the folder meanwhile; the lock leaves no file behind."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # a disk that knows no locks: the last one to write wins there
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(file: Path, text: str, mode: int | None) -> None:
    if mode is None:
        mode = stat.S_IMODE(file.stat().st_mode) if file.exists() else 0o666 & ~_umask()
    descriptor, temporary = tempfile.mkstemp(prefix=FILE_NAME, dir=file.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask
