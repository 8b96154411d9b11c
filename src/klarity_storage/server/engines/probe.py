"""Try that an S3 has what Klarity Storage stands on, before the first byte is entrusted to it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store

from klarity_storage.errors import ConfigurationError, UnavailableError
from klarity_storage.protocol.credentials import MIN_DURATION
from klarity_storage.server.credentials.policy import compile_policy
from klarity_storage.server.engines.sts import Access, status_of

FOLDER: Final = "_ks-probe"
"""No name of a space begins like this; each probe works in a folder of its own below it."""

_RACES: Final = 4
_WRITERS: Final = 4


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
    except (BaseError, BotoCoreError, ClientError) as error:
        reason = str(error).splitlines()[0]
        raise UnavailableError(
            f"The engine at {access.credentials.endpoint} failed while it was tried: {reason}."
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
    """Several writers of one key at once, in several races: each has exactly one winner."""
    keys = [f"{prefix}-{race}" for race in range(_RACES) for _ in range(_WRITERS)]
    # At once: an engine may let a loser wait for seconds.
    with ThreadPoolExecutor(len(keys)) as pool:
        won = list(pool.map(lambda key: _create(access.store, key, b"mine"), keys))
    for key in keys:
        wins = sum(win for each, win in zip(keys, won, strict=True) if each == key)
        if wins != 1:
            raise _lacking(
                access,
                f"let {wins} of {_WRITERS} racing writers create one object",
                "so one commit could hide another",
            )


def _try_session(access: Access, folder: str) -> None:
    """Temporary keys to one folder must open it, and neither its sibling nor the role itself."""
    bucket, own, foreign = access.credentials.bucket, f"{folder}/own/", f"{folder}/own2/"
    access.store.put(f"{foreign}object", b"foreign")
    session = _session(access, own)
    s3 = session.s3
    allowed: dict[str, Callable[[], object]] = {
        "write": lambda: s3.put_object(Bucket=bucket, Key=f"{own}object", Body=b"own"),
        "read": lambda: s3.get_object(Bucket=bucket, Key=f"{own}object"),
        "list": lambda: s3.list_objects_v2(Bucket=bucket, Prefix=own),
    }
    forbidden: dict[str, Callable[[], object]] = {
        "write": lambda: s3.put_object(Bucket=bucket, Key=f"{foreign}other", Body=b"other"),
        "read": lambda: s3.get_object(Bucket=bucket, Key=f"{foreign}object"),
        "list": lambda: s3.list_objects_v2(Bucket=bucket, Prefix=foreign),
    }
    for verb, trial in allowed.items():
        if _is_refused(trial):
            raise ConfigurationError(
                f"Temporary credentials of the engine at {access.credentials.endpoint} cannot "
                f"{verb} what their session policy allows in bucket {bucket!r}.",
                hint="Give the role of engine.role_arn all rights to the bucket's objects.",
            )
    for verb, trial in forbidden.items():
        if not _is_refused(trial):
            raise _lacking(
                access,
                f"lets temporary credentials {verb} beyond their session policy",
                "so rights could not be enforced",
            )
    if not _keeps_the_role(session, foreign):
        raise ConfigurationError(
            f"At the engine at {access.credentials.endpoint} temporary credentials take the role "
            "that they are made from, so their session policy means nothing.",
            hint="Let the trust policy of engine.role_arn name the server's own identity alone.",
        )


def _keeps_the_role(session: Access, foreign: str) -> bool:
    """Whether temporary keys are refused others, which would do what these may not."""
    policy = compile_policy(session.credentials.bucket, read=[foreign])
    try:
        session.assume(policy, "klarity-probe", MIN_DURATION)
    except UnavailableError as error:
        if not 400 <= status_of(error.__cause__) < 500:
            raise
        return True
    return False


def _session(access: Access, prefix: str) -> Access:
    policy = compile_policy(access.credentials.bucket, read=[prefix], write=[prefix])
    try:
        keys = access.assume(policy, "klarity-probe", MIN_DURATION)
    except UnavailableError as error:
        if not 400 <= status_of(error.__cause__) < 500:
            raise
        raise ConfigurationError(
            f"The engine at {access.credentials.endpoint} gives no temporary credentials: "
            f"{error.message}",
            hint="Klarity Storage needs STS AssumeRole: check engine.role_arn, "
            "engine.sts_endpoint and the role's trust policy.",
        ) from error
    # Where we reach it: the public way may begin outside.
    return access.held_by(keys)


def _create(store: S3Store, key: str, content: bytes) -> bool:
    try:
        store.put(key, content, mode="create", use_multipart=False)
    except (AlreadyExistsError, PreconditionError):
        return False
    return True


def _is_refused(trial: Callable[[], object]) -> bool:
    try:
        trial()
    except ClientError as error:
        if status_of(error) == 403:
            return True
        raise
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
