"""Let a deployment show another release: one write to its log, and pins around it.

What the new release shows is pinned before the switch, and what no release that is kept shows any
more is let go behind it; so is what was pinned for a switch that fails. Killed in between, too much
is kept rather than too little.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from msgspec.structs import replace
from obstore.store import ObjectStore

from klarity_storage.errors import ConflictError, UnavailableError
from klarity_storage.layout import Name
from klarity_storage.protocol.versions import CommitRequest
from klarity_storage.protocol.web import DOCUMENT
from klarity_storage.server.context import Context
from klarity_storage.server.web.keep import Keeper
from klarity_storage.server.web.releases import Entry, Shown, document_file, ever_shown
from klarity_storage.versions.append import MAX_ATTEMPTS
from klarity_storage.versions.commit import commit_version
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.hashing import version_hash
from klarity_storage.versions.history import History
from klarity_storage.versions.manifest import Extent, Manifest


class _MovedOnError(Exception):
    """Somebody else has written the entry that pins were made for."""


@dataclass(frozen=True, slots=True)
class Switch:
    """What a deployment is to show, and what its log is to say of it."""

    shown: Shown
    message: str = ""
    expected: str | None = None
    """The release that must be the one that stands; whichever does without it."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """Of the commit."""


def switch(context: Context, deployment: Name, wanted: Switch) -> list[Entry]:
    """Let a deployment show something else, and return its releases.

    Args:
        context: who asks; that they may was required before.
        deployment: which.
        wanted: what it is to show.

    Raises:
        VersionNotFoundError: a version was deleted meanwhile.
        ConflictError: another release stands than was expected, or a space is being moved.
    """
    keeper = Keeper(context, deployment)
    try:
        _show(keeper, wanted)
    except BaseException as error:
        if not isinstance(error, UnavailableError):  # then nobody knows what was written
            keeper.take_back()
        raise
    entries, history = keeper.read()
    keeper.let_go(ever_shown(history))
    return entries


def _show(keeper: Keeper, wanted: Switch) -> None:
    for _ in range(MAX_ATTEMPTS):
        history = keeper.keep(wanted.shown)
        try:
            _commit(keeper.context, keeper.deployment, wanted, history)
        except _MovedOnError:
            continue
        return
    raise ConflictError(
        f"Others deployed to {keeper.deployment} {MAX_ATTEMPTS} times in a row.", hint="Try again."
    )


def _commit(context: Context, deployment: Name, wanted: Switch, history: History) -> None:
    """The switch itself.

    Raises:
        _MovedOnError: the log has another entry already.
    """
    services = context.services

    def check(now: History) -> None:
        latest = now.latest()
        if wanted.expected is not None and (latest is None or latest.version != wanted.expected):
            raise ConflictError(f"Somebody else has committed to {deployment} meanwhile.")
        if now.length != history.length:
            raise _MovedOnError

    with services.buckets.writing(deployment.space) as bucket:
        data = wanted.shown.document(deployment).encode()
        version, manifest = _write(bucket.store, deployment, history, data)
        folder = manifest.partition("/")[0] if "/" in manifest else version
        request = CommitRequest(
            version=version,
            manifest=manifest,
            write_id=uuid4().hex,
            message=wanted.message,
            parents=[latest.version] if (latest := history.latest()) else [],
            lineage=wanted.shown.lineage,
            metadata=wanted.metadata,
        )
        with services.usage.taking(deployment.space, deployment.version_prefix(folder)) as admit:
            commit_version(
                bucket.store,
                deployment,
                request,
                by=context.actor.principal,
                stable_etags=bucket.engine.stable_etags,
                history=history,
                admit=admit,
                check=check,
            )


def _write(store: ObjectStore, deployment: Name, history: History, data: bytes) -> tuple[str, str]:
    """Lay the one file of a release into storage; return its hash and its manifest."""
    file = document_file(data)
    version = version_hash([file])
    place = history.place(version)
    if place.manifest is not None:
        return version, place.manifest
    folder = place.folder or version
    key = f"{folder}/{DOCUMENT}"
    extents = (Extent(key, 0, file.size),)
    name, encoded = Manifest.of([replace(file, extents=extents)]).encode()
    with told_as_ours(f"the release of {deployment}"):
        store.put(deployment.object_key(key), data)
        store.put(deployment.manifest_key(folder, name), encoded)
    return version, name if folder == version else f"{folder}/{name}"
