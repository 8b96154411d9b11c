"""The secrets of the embedded engine: made once, readable by their owner only."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

import msgspec

from klarity_storage.errors import ConfigurationError


class EngineKeys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every secret that the engine and the server share."""

    access_key_id: str
    secret_access_key: str
    sts_signing_key: str
    """Signs session tokens, in base64: a new one would end every session that is out."""
    volume_write_key: str
    volume_read_key: str
    filer_write_key: str
    filer_read_key: str
    """The four keys without which the engine's inner HTTP ports serve anybody."""

    def __repr__(self) -> str:
        return f"EngineKeys(access_key_id={self.access_key_id!r})"


def load_keys(path: Path) -> EngineKeys:
    """The keys of that file, made and written (mode 0600) when it does not exist.

    Raises:
        ConfigurationError: the file does not hold the keys.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=EngineKeys)
    except FileNotFoundError:
        keys = _generate()
        write_private(path, msgspec.json.format(msgspec.json.encode(keys)))
        return keys
    except msgspec.DecodeError as error:
        raise ConfigurationError(
            f"The engine's keys in {path} cannot be read: {error}.",
            hint="Restore the file from a backup; without it the engine's sessions are lost.",
        ) from error


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _generate() -> EngineKeys:
    return EngineKeys(
        access_key_id="ks" + secrets.token_hex(9),
        secret_access_key=secrets.token_urlsafe(32),
        sts_signing_key=base64.b64encode(secrets.token_bytes(32)).decode(),
        volume_write_key=secrets.token_urlsafe(32),
        volume_read_key=secrets.token_urlsafe(32),
        filer_write_key=secrets.token_urlsafe(32),
        filer_read_key=secrets.token_urlsafe(32),
    )
