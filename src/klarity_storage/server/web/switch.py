"""Let a deployment show another release: one write to its log, and pins around it.

What the new release shows is pinned before the switch, and what no release that is kept shows any
more is let go behind it. Killed in between, too much is kept rather than too little, until the next
switch of the deployment.
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
    for name, version in shown.versions:
        _pin(context, deployment, name, version)
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
            metadata=metadata or {},
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
    # every request in this process sees it from now on
    history = services.histories.read(bucket.store, deployment)
    entries = read_releases(history)
    _let_go(context, history, entries)
    return entries


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


def _pin(context: Context, deployment: Name, name: Name, version: str) -> None:
    services = context.services
    with services.buckets.writing(name.space) as bucket:
        pin_version(
            bucket.store,
            name,
            version,
            holder_of(deployment),
            by=context.actor.principal,
            history=services.histories.known(name),
        )


def _let_go(context: Context, history: History, entries: list[Entry]) -> None:
    """Unpin what only releases show that cannot be rolled back to.

    The switch stands by now, so that a failure is told in the log alone; the next one tries again.
    """
    number = context.services.web.settings.releases
    kept = {pinned for e in kept_releases(entries, number) for pinned in e.shown.versions}
    gone: dict[Name, set[str]] = {}
    for name, version in ever_shown(history) - kept:
        gone.setdefault(name, set()).add(version)
    for name, versions in gone.items():
        try:
            _unpin(context, history.name, name, versions)
        except StorageError as error:
            _LOG.warning("%s still keeps versions of %s: %s", history.name, name, error)


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
