"""Try that an S3 has what Klarity Storage stands on, before the first byte is entrusted to it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
)
from obstore.store import S3Store

from klarity_storage.errors import ConfigurationError, UnavailableError
from klarity_storage.protocol.credentials import MIN_DURATION
from klarity_storage.server.credentials.policy import compile_policy
from klarity_storage.server.engines.sts import Access, open_store

FOLDER: Final = "_ks-probe"
"""No name of a space begins like this; each probe works in a folder of its own below it."""

_ROUNDS: Final = 4
_WRITERS: Final = 8


def probe(access: Access) -> None:
    """Try keys, bucket, conditional PUT and STS; leave nothing behind.

    Raises:
        ConfigurationError: something is wrong or missing.
        UnavailableError: the engine does not answer.
    """
    if fault := access.find_fault():
        raise fault
    folder = f"{FOLDER}/{secrets.token_hex(8)}"
    try:
        _try_create(access, f"{folder}/create")
        _try_race(access, f"{folder}/race")
        _try_session(access, folder)
    except BaseError as error:
        raise UnavailableError(
            f"The engine at {access.credentials.endpoint} failed while it was tried: {error}."
        ) from error
    finally:
        _clear(access.store, folder)


def _try_create(access: Access, key: str) -> None:
    first, second = (_create(access.store, key, b"first"), _create(access.store, key, b"second"))
    if not first or second:
        raise _lacking(
            access, "does not honour If-None-Match: *", "so one commit could hide another"
        )


def _try_race(access: Access, prefix: str) -> None:
    """Several writers of one key at once, several times: each time exactly one may win."""
    with ThreadPoolExecutor(_WRITERS) as pool:
        for turn in range(_ROUNDS):
            key = f"{prefix}-{turn}"
            wins = list(
                pool.map(lambda n, key=key: _create(access.store, key, bytes([n])), range(_WRITERS))
            )
            if wins.count(True) != 1:
                raise _lacking(
                    access,
                    f"let {wins.count(True)} of {_WRITERS} racing writers create one object",
                    "so one commit could hide another",
                )


def _try_session(access: Access, folder: str) -> None:
    """Temporary keys to one folder must open it, and must not open its sibling."""
    own, foreign = f"{folder}/own/", f"{folder}/own2/"
    access.store.put(f"{foreign}object", b"foreign")
    try:
        keys = access.assume(
            compile_policy(access.credentials.bucket, read=[own], write=[own]),
            "klarity-probe",
            MIN_DURATION,
        )
    except UnavailableError as error:
        raise ConfigurationError(
            f"The engine at {access.credentials.endpoint} gives no temporary credentials: "
            f"{error.message}",
            hint="Klarity Storage needs STS AssumeRole: check engine.role_arn, "
            "engine.sts_endpoint and the role's trust policy.",
        ) from error
    session = open_store(keys)
    try:
        session.put(f"{own}object", b"own")
        session.get(f"{own}object").bytes()
    except PermissionDeniedError as error:
        raise ConfigurationError(
            f"The role of the engine at {access.credentials.endpoint} may not write to bucket "
            f"{access.credentials.bucket!r}.",
            hint="Give the role of engine.role_arn all rights to the bucket.",
        ) from error
    trials: dict[str, Callable[[], object]] = {
        "read": lambda: session.get(f"{foreign}object").bytes(),
        "write": lambda: session.put(f"{foreign}other", b"other"),
        "list": lambda: session.list(foreign).collect(),
    }
    for verb, trial in trials.items():
        if not _is_refused(trial):
            raise _lacking(
                access,
                f"lets temporary credentials {verb} beyond their session policy",
                "so rights could not be enforced",
            )


def _create(store: S3Store, key: str, content: bytes) -> bool:
    try:
        store.put(key, content, mode="create", use_multipart=False)
    except (AlreadyExistsError, PreconditionError):
        return False
    return True


def _is_refused(trial: Callable[[], object]) -> bool:
    try:
        trial()
    except PermissionDeniedError:
        return True
    return False


def _lacking(access: Access, what: str, consequence: str) -> ConfigurationError:
    return ConfigurationError(
        f"The engine at {access.credentials.endpoint} {what}, {consequence}.",
        hint="Use an S3 with STS and atomic conditional PUT: AWS, SeaweedFS, MinIO, Ceph - "
        "or the embedded one: --engine seaweed",
    )


def _clear(store: S3Store, folder: str) -> None:
    keys = [item["path"] for batch in store.list(f"{folder}/") for item in batch]
    if keys:
        store.delete(keys)
