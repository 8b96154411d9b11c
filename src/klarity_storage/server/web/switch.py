"""Let a deployment show another release: one write to its log, and pins around it.

What the new release shows is pinned before the switch, and what no release that is kept shows any
more is let go behind it; so is what was pinned for a switch that fails. Killed in between, too much
is kept rather than too little.
"""

from __future__ import annotations

import logging
from typing import Any
from uuid import uuid4

from msgspec.structs import replace
from obstore.store import ObjectStore

from klarity_storage.errors import StorageError
from klarity_storage.layout import Name
from klarity_storage.protocol.versions import CommitRequest
from klarity_storage.protocol.web import DOCUMENT, deployment_of
from klarity_storage.server.context import Context
from klarity_storage.server.web.releases import (
    Entry,
    Pinned,
    Shown,
    document_file,
    ever_shown,
    kept_releases,
    read_releases,
)
from klarity_storage.versions.commit import commit_version
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.hashing import version_hash
from klarity_storage.versions.history import History
from klarity_storage.versions.manifest import Extent, Manifest
from klarity_storage.versions.pin import pin_version, unpin_versions

_LOG = logging.getLogger(__name__)


def holder_of(deployment: Name) -> str:
    """How a deployment is called where it keeps a version: ``web/prod``."""
    return f"{deployment.space}/{deployment_of(deployment)}"


def switch(
    context: Context,
    deployment: Name,
    shown: Shown,
    *,
    message: str = "",
    expected: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> list[Entry]:
    """Let a deployment show something else, and return its releases.

    Args:
        context: who asks; that they may was required before.
        deployment: which.
        shown: what it is to show.
        message: why, in one line.
        expected: the release that must be the one that stands.
        metadata: of the commit.

    Raises:
        VersionNotFoundError: a version was deleted meanwhile.
        ConflictError: another release stands than was expected, or a space is being moved.
    """
    pinned: set[Pinned] = set()
    try:
        for name, version in shown.versions:
            if _pin(context, deployment, name, version):
                pinned.add((name, version))
        _commit(context, deployment, shown, message, expected, metadata or {})
    except BaseException:
        _let_go(context, deployment, pinned)
        raise
    entries, history = _releases(context, deployment)
    _let_go(context, deployment, ever_shown(history))
    return entries


def _commit(
    context: Context,
    deployment: Name,
    shown: Shown,
    message: str,
    expected: str | None,
    metadata: dict[str, Any],
) -> None:
    """The switch itself."""
    services = context.services
    with services.buckets.writing(deployment.space) as bucket:
        history = services.histories.read(bucket.store, deployment)
        data = shown.document(deployment).encode()
        version, manifest = _write(bucket.store, deployment, history, data)
        folder = manifest.partition("/")[0] if "/" in manifest else version
        request = CommitRequest(
            version=version,
            manifest=manifest,
            write_id=uuid4().hex,
            message=message,
            parents=[latest.version] if (latest := history.latest()) else [],
            lineage=shown.lineage,
            metadata=metadata,
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
                expected=expected,
            )


def _releases(context: Context, deployment: Name) -> tuple[list[Entry], History]:
    """As the log stands now, which every request in this process sees from now on."""
    services = context.services
    store = services.buckets.of(deployment.space).store
    history = services.histories.read(store, deployment)
    return read_releases(history), history


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


def _pin(context: Context, deployment: Name, name: Name, version: str) -> bool:
    """Keep a version; whether it was not kept before."""
    services = context.services
    with services.buckets.writing(name.space) as bucket:
        return pin_version(
            bucket.store,
            name,
            version,
            holder_of(deployment),
            by=context.actor.principal,
            history=services.histories.known(name),
        )


def _let_go(context: Context, deployment: Name, versions: set[Pinned]) -> None:
    """Unpin those of some versions that no release shows which can be rolled back to.

    A failure is told in the log alone: what was asked for is done, or has failed for another
    reason.
    """
    if not versions:
        return
    try:
        entries, _ = _releases(context, deployment)
        kept = kept_releases(entries, context.services.web.settings.releases)
        gone: dict[Name, set[str]] = {}
        for name, version in versions - {pinned for e in kept for pinned in e.shown.versions}:
            gone.setdefault(name, set()).add(version)
        for name, each in gone.items():
            _unpin(context, deployment, name, each)
    except StorageError as error:
        _LOG.warning("%s may keep more than it shows: %s", deployment, error)


def _unpin(context: Context, deployment: Name, name: Name, versions: set[str]) -> None:
    services, holder = context.services, holder_of(deployment)
    history = services.histories.read(services.buckets.of(name.space).store, name)
    held = sorted(version for version in versions if holder in history.holders(version))
    if not held:
        return
    with services.buckets.writing(name.space) as bucket:
        unpin_versions(
            bucket.store, name, held, holder, by=context.actor.principal, history=history
        )
