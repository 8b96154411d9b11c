"""The part of ``Storage`` that looks after versions: compare, verify, delete, collect, explain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from klarity_storage.client.connection import Connection
from klarity_storage.client.references import bare_name, versioned
from klarity_storage.errors import InvalidReferenceError
from klarity_storage.layout import VERSIONED_KINDS, Name
from klarity_storage.protocol.versions import Garbage, Lineage, VersionInfo
from klarity_storage.versions.manifest_parts import StoredManifest
from klarity_storage.versions.progress import OnProgress

if TYPE_CHECKING:
    from klarity_storage.versions.diff import Diff
    from klarity_storage.versions.history import Event
    from klarity_storage.versions.verify import Verification
    from klarity_storage.versions.why import Why


class Upkeep(Connection):
    """What ``Storage`` does with versions that are there."""

    def diff(self, old: str, new: str) -> Diff:
        """What became of the files of one version in another, by their manifests alone.

        The two may be versions of different names.

        Raises:
            VersionNotFoundError: there is none of them, or the caller may not see it.
        """
        from klarity_storage.versions.diff import diff  # noqa: PLC0415 - loads Arrow's compute

        return diff(*(self._manifest(ref) for ref in (old, new)))

    def verify(self, scope: str, *, progress: OnProgress | None = None) -> Verification:
        """Read every byte of a version, a name or a space back against its digests.

        Damage does not stop it: the answer names each file that is damaged or missing.

        Args:
            scope: ``vision/datasets/cats@prod``, ``vision/datasets/cats`` (every version of it that
                is not deleted), or ``vision`` (every name that the caller may read).
            progress: called while it reads, name by name.

        Raises:
            NotFoundError: there is no such thing, or the caller may not see it.
            UnavailableError: storage does not answer, so nobody knows.
        """
        from klarity_storage.versions.verify import (  # noqa: PLC0415 - loads Arrow's compute
            NOTHING,
            verify_versions,
        )

        found = NOTHING
        for name, versions in self._versions_in(scope):
            store = self._backend.reading_store(name)
            part = verify_versions(store, name, versions, progress=progress)
            found += part if part.whole else self._without_deleted(name, versions, part)
        return found

    def lineage(self, ref: str) -> Lineage:
        """What a version was made from, and what was made from it, as far as you may read.

        Raises:
            VersionNotFoundError: there is none, or the caller may not see it.
        """
        reference = versioned(ref)
        return self._backend.lineage(reference.name, reference.selector)

    def get_events(self, ref: str) -> list[Event]:
        """Who tagged, untagged, deleted or purged what of a name, newest first."""
        return list(reversed(self._backend.history(bare_name(ref)).events))

    def delete(
        self, ref: str, *, reason: str = "", untag: bool = False, unpin: bool = False
    ) -> None:
        """Delete a version: it leaves the lists, and its bytes stay until ``collect_garbage``.

        Until then a push of the same content brings it back without an upload.

        Args:
            ref: which version, by its hash, a tag or ``@latest``.
            reason: why, in one line.
            untag: whether the tags that stand for it go with it.
            unpin: whether it goes although deployments show it, or can be rolled back to it.

        Raises:
            ConflictError: a tag stands for it, or a deployment shows it.
            ForbiddenError: the caller is no owner of the name.
        """
        reference = versioned(ref)
        if reference.selector is None or reference.path is not None:
            raise InvalidReferenceError(
                f"{ref!r} does not say which version to delete.",
                hint=f"Write {reference.name}@HASH; ks log {reference.name} lists them.",
            )
        self._backend.delete_version(
            reference.name, reference.selector, reason=reason, untag=untag, unpin=unpin
        )

    def collect_garbage(
        self, scope: str, *, grace: timedelta = timedelta(days=1), dry_run: bool = True
    ) -> Iterator[tuple[str, Garbage]]:
        """List what no version refers to, name by name; delete it without ``dry_run``.

        Args:
            scope: ``vision/datasets/cats``, or ``vision`` for each of its names.
            grace: what was written, or whose version was deleted, within it is left alone.
            dry_run: only list.

        Yields:
            A name and what is garbage of it, or what was deleted; again while there is more.

        Raises:
            ForbiddenError: the caller is no owner.
        """
        names = [bare_name(scope)] if "/" in scope else self._names_in(scope, uncommitted=True)
        for name in names:
            more = True
            while more:
                found = self._backend.collect_garbage(
                    name, grace=int(grace.total_seconds()), dry_run=dry_run
                )
                yield str(name), found
                more = found.more and bool(found.objects) and not dry_run

    def why(self, ref: str) -> Why:
        """Why a version or an object is kept, or why it is garbage.

        Args:
            ref: a version (``vision/datasets/cats@3f9a``), deleted or not, or the key of an object
                (``vision/datasets/cats/3f9a…/train/0001.png``).
        """
        from klarity_storage.versions.why import why_object, why_version  # noqa: PLC0415

        parts = ref.removeprefix("ks://").split("/", 3)
        if len(parts) == 4 and "@" not in parts[2]:
            name = bare_name("/".join(parts[:3]))
            return why_object(self._backend.history(name), parts[3])
        reference = versioned(ref)
        return why_version(self._backend.history(reference.name), reference.selector)

    def _manifest(self, ref: str) -> StoredManifest:
        reference = versioned(ref)
        name = reference.name
        info = self._backend.version(name, reference.selector)
        return StoredManifest(self._backend.reading_store(name), name, info)

    def _versions_in(self, scope: str) -> Iterator[tuple[Name, list[VersionInfo]]]:
        """The versions of a reference, a name or a space, name by name."""
        if "/" in scope:
            reference = versioned(scope)
            if reference.selector:
                yield reference.name, [self._backend.version(reference.name, reference.selector)]
            else:
                yield reference.name, self._all_versions(reference.name)
            return
        for name in self._names_in(scope):
            yield name, self._backend.versions(name)

    def _without_deleted(
        self, name: Name, versions: list[VersionInfo], found: Verification
    ) -> Verification:
        """Versions that were deleted, and perhaps purged, while they were read are not damaged."""
        now = {(info.version, info.manifest) for info in self._backend.versions(name)}
        gone = {
            f"{name}@{info.version}"
            for info in versions
            if (info.version, info.manifest) not in now
        }
        left = tuple(damage for damage in found.damaged if damage.version not in gone)
        return replace(found, damaged=left)

    def _names_in(self, space: str, *, uncommitted: bool = False) -> list[Name]:
        return [
            name
            for kind in VERSIONED_KINDS
            for name in self._backend.names(space, kind, uncommitted=uncommitted)
        ]

    def _all_versions(self, name: Name) -> list[VersionInfo]:
        versions = self._backend.versions(name)
        if not versions:
            self._backend.version(name, None)  # raises: there is no such name
        return versions
