"""The engine, with keys as the server gives them out: what must work, then what must not."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

import obstore
from obstore.store import S3Store

from klarity_storage.client.doctor.check import Check, attempt, ended, passed, skipped
from klarity_storage.client.doctor.forbidden import Ground, check_forbidden
from klarity_storage.client.doctor.places import covered_name, readable_names
from klarity_storage.client.doctor.role import check_role
from klarity_storage.client.http import Http, quoted
from klarity_storage.errors import StorageError
from klarity_storage.layout import Name
from klarity_storage.protocol.credentials import (
    MIN_DURATION,
    CredentialsRequest,
    Operation,
    S3Credentials,
)
from klarity_storage.protocol.grants import Role
from klarity_storage.protocol.server import Identity
from klarity_storage.versions.engine_errors import told_as_ours

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

_UNREACHED: Final = (
    "Whoever runs the server can name an address that is reached from here: engine.public_endpoint."
)
_PART: Final = 64 << 10
_IMPATIENT: Final[ClientConfig] = {
    "timeout": timedelta(seconds=20),
    "connect_timeout": timedelta(seconds=5),
}


@dataclass(frozen=True)
class _Keys:
    """What the server gave for a name."""

    name: Name
    given: S3Credentials
    folder: str
    """Where they write, or read."""

    @property
    def store(self) -> S3Store:
        """The bucket; an engine that does not answer is told in seconds, not in minutes."""
        given = self.given
        config: S3Config = {
            "endpoint": given.endpoint,
            "region": given.region,
            "access_key_id": given.access_key_id,
            "secret_access_key": given.secret_access_key,
            "virtual_hosted_style_request": False,
        }
        if given.session_token:
            config["session_token"] = given.session_token
        return S3Store(
            given.bucket,
            config=config,
            client_options={**given.client_options, **_IMPATIENT},
            retry_config={"max_retries": 1, "retry_timeout": timedelta(seconds=30)},
        )


def check_engine(http: Http, identity: Identity) -> Iterator[Check]:
    """Try keys to what the caller may read and, where there is such a thing, write."""
    names = list(islice(readable_names(http, identity), 2))
    own = names[0] if names else covered_name(http, identity, Role.READER)
    if own is None:
        yield skipped("engine", "there is nothing that you may read, so there are no keys to try")
        return
    try:
        reading = _issue(http, own, Operation.READ)
        writing = _writing(http, identity)
    except StorageError as error:
        yield ended("keys", error)
        return
    yield passed("keys", f"the server gives keys to {own}, for {reading.given.endpoint}")
    found: list[str] = []
    read = attempt("read", lambda: _try_reading(reading, found), _UNREACHED)
    yield read
    if writing is None:
        yield skipped("write", "you may write nowhere")
    else:
        yield attempt("write", lambda: _try_writing(writing), _UNREACHED)
    if read.remedy is None:
        foreign = _object_of(http, names[1:], reading) if found else None
        yield from check_forbidden(_ground(reading, writing, foreign))
        yield check_role(reading.given)
    else:
        yield skipped("must not", "the engine cannot be asked")


def _issue(http: Http, name: Name, operation: Operation) -> _Keys:
    version = secrets.token_hex(32) if name.kind.versioned else None
    if operation is Operation.READ:
        version = None
    request = CredentialsRequest(
        scope=str(name), operation=operation, version=version, duration=MIN_DURATION
    )
    given = http.post(quoted("credentials"), request, S3Credentials)
    return _Keys(name, given, name.version_prefix(version) if version else name.prefix)


def _writing(http: Http, identity: Identity) -> _Keys | None:
    name = covered_name(http, identity, Role.WRITER)
    return None if name is None else _issue(http, name, Operation.WRITE)


def _try_reading(keys: _Keys, found: list[str]) -> Check:
    with told_as_ours(f"{keys.name}"):
        found += _first_object(keys)
        if not found:
            return passed("read", f"LIST of {keys.name} works; it holds nothing to GET yet")
        keys.store.get_range(found[0], start=0, end=1)
    return passed("read", f"LIST and GET of {keys.name} work")


def _first_object(keys: _Keys) -> list[str]:
    batch = next(iter(keys.store.list(prefix=keys.folder, chunk_size=1)), [])
    return [item["path"] for item in batch if item["size"]][:1]


def _try_writing(keys: _Keys) -> Check:
    """Begin an upload, send a part, and abort: nothing stays, and nothing need be deleted."""

    class _EnoughError(Exception):
        pass

    with told_as_ours(f"{keys.name}"), suppress(_EnoughError):
        key = f"{keys.folder}ks-doctor-{secrets.token_hex(8)}"
        with obstore.open_writer(keys.store, key, buffer_size=_PART) as writer:
            writer.write(bytes(2 * _PART))
            writer.flush()
            raise _EnoughError
    return passed("write", f"PUT to {keys.name} works; it was aborted, and left nothing")


def _object_of(http: Http, names: list[Name], own: _Keys) -> str | None:
    """An object of another name in the same bucket."""
    for name in names:
        with suppress(StorageError), told_as_ours(str(name)):
            keys = _issue(http, name, Operation.READ)
            same = (keys.given.endpoint, keys.given.bucket) == (
                own.given.endpoint,
                own.given.bucket,
            )
            if same and (found := _first_object(keys)):
                return found[0]
    return None


def _ground(reading: _Keys, writing: _Keys | None, foreign: str | None) -> Ground:
    return Ground(
        name=reading.name,
        reading=reading.store,
        foreign=foreign,
        written=None if writing is None else writing.name,
        writing=None if writing is None else writing.store,
        folder="" if writing is None else writing.folder,
    )
