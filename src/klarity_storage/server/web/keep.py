"""Keep the versions that a deployment shows or can go back to, and let go of the others.

A pin names the entry of the deployment's log that it was made for. What comes to be kept by an
entry is pinned for that entry before it is written, and it is written at that number or not at all.
So whoever has read the log up to some entry lets go of pins for earlier ones alone, and no order of
several switches takes away a pin that counts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field

from klarity_storage.errors import NotFoundError, StorageError
from klarity_storage.layout import Name
from klarity_storage.protocol.log import Pin
from klarity_storage.protocol.web import deployment_of
from klarity_storage.server.context import Context
from klarity_storage.server.web.releases import (
    Entry,
    Pinned,
    Shown,
    kept_releases,
    read_releases,
    shown_again,
    versions_of,
)
from klarity_storage.versions.history import History
from klarity_storage.versions.pin import pin_version, unpin_versions

_LOG = logging.getLogger(__name__)


def holder_of(deployment: Name) -> str:
    """How a deployment is called where it keeps a version: ``web/prod``."""
    return f"{deployment.space}/{deployment_of(deployment)}"


@dataclass(frozen=True, slots=True)
class Keeper:
    """The pins of a deployment, for one switch of it."""

    context: Context
    deployment: Name
    made: dict[str, Pinned] = field(default_factory=dict)
    """The pins that this switch made, by ``write_id``."""

    def read(self) -> tuple[list[Entry], History]:
        """The releases as the log stands, which all requests in this process see from now on."""
        services = self.context.services
        store = services.buckets.of(self.deployment.space).store
        history = services.histories.read(store, self.deployment)
        return read_releases(history), history

    def keep(self, shown: Shown) -> History:
        """Pin what has to be kept once the next entry of the log shows this.

        What is kept already has a pin that nobody lets go. What comes to be kept gets one of its
        own even where an older one stands: somebody may be letting that one go.

        Returns:
            The log that the next entry is to be appended to, and to no longer one.

        Raises:
            VersionNotFoundError: a version that is to be shown was deleted.
            ConflictError: a space is being moved.
        """
        entries, history = self.read()
        kept = versions_of(kept_releases(entries, self._number))
        for pinned in shown.versions:
            self._pin(pinned, history.length, renew=pinned not in kept)
        if shown.app is not None:
            for pinned in shown_again(entries, self._number).difference(shown.versions):
                with suppress(NotFoundError):  # deleted since it was let go
                    self._pin(pinned, history.length, renew=True)
        return history

    def take_back(self) -> None:
        """Let go of what was pinned for a switch that has failed."""
        self.let_go(set(self.made.values()), own=self.made.keys())

    def let_go(self, versions: set[Pinned], own: Collection[str] = ()) -> None:
        """Unpin those of some versions that no release shows which can be rolled back to.

        A failure is told in the log alone: what was asked for is done, or has failed for another
        reason.

        Args:
            versions: which, if they are not kept.
            own: pins that nobody waits behind, though no entry has the number they were made for.
        """
        if not versions:
            return
        try:
            entries, history = self.read()
            length = history.length

            def gone(pin: Pin) -> bool:
                return pin.entry is None or pin.entry < length or pin.write_id in own

            by_name: dict[Name, set[str]] = {}
            for name, version in versions - versions_of(kept_releases(entries, self._number)):
                by_name.setdefault(name, set()).add(version)
            for name, each in by_name.items():
                self._unpin(name, each, gone)
        except StorageError as error:
            _LOG.warning("%s may keep more than it shows: %s", self.deployment, error)

    @property
    def _number(self) -> int:
        return self.context.services.web.settings.releases

    def _pin(self, pinned: Pinned, entry: int, *, renew: bool) -> None:
        name, version = pinned
        services = self.context.services
        with services.buckets.writing(name.space) as bucket:
            pin = pin_version(
                bucket.store,
                name,
                version,
                holder_of(self.deployment),
                by=self.context.actor.principal,
                entry=entry,
                renew=renew,
                history=services.histories.known(name),
            )
        if pin is not None:
            self.made[pin] = pinned

    def _unpin(self, name: Name, versions: set[str], gone: Callable[[Pin], bool]) -> None:
        services, holder = self.context.services, holder_of(self.deployment)
        history = services.histories.read(services.buckets.of(name.space).store, name)
        held = sorted(v for v in versions if any(map(gone, history.pins(v, holder))))
        if not held:
            return
        with services.buckets.writing(name.space) as bucket:
            unpin_versions(
                bucket.store,
                name,
                held,
                holder,
                by=self.context.actor.principal,
                gone=gone,
                history=history,
            )
