"""What a deployment shows to whoever asks, without a token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from obstore.store import ObjectStore

from klarity_storage.errors import FileMissingError, NotFoundError
from klarity_storage.layout import Name
from klarity_storage.server.context import Context
from klarity_storage.server.rights.decide import Action
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.require import permitted, require
from klarity_storage.server.web.body import Asset
from klarity_storage.server.web.releases import Entry, Pinned, kept_releases, read_releases

RECENT: Final = 1.0
"""Seconds after which another server's switch is seen; one of this server's is at once."""


@dataclass(frozen=True, slots=True)
class Site:
    """A deployment as it stands."""

    context: Context
    deployment: Name
    store: ObjectStore
    """The bucket of the deployment, which is the front end's mostly."""
    kept: list[Entry]
    """The releases that can be rolled back to, the one that stands first."""

    @property
    def current(self) -> Entry:
        return self.kept[0]

    @property
    def apps(self) -> list[Pinned]:
        """The versions whose pages may be open, the one that is shown first."""
        return list(dict.fromkeys(e.shown.app for e in self.kept if e.shown.app is not None))

    def find(self, app: Pinned, path: str) -> Asset | None:
        """A file of a version, or None where it has none."""
        name, version = app
        if not permitted(self.context)(Pattern.of(name)):
            return None  # it was public when it was deployed
        services, store = self.context.services, self.store
        if name.space != self.deployment.space:
            store = services.buckets.of(name.space).store
        history = services.histories.read(store, name, within=RECENT)
        if not history.holds(version):
            return None  # an owner had it deleted all the same
        info = history.resolve(version)
        key = (name, version, info.manifest, path)
        file = services.web.files.get(key)
        if file is None:
            try:
                file = services.files.manifests.of(store, name, info).find(path)
            except FileMissingError:
                return None
            services.web.files.keep(key, file, 1000)
        return Asset(store, name, info, history.commits[info.seq], file)


def open_site(context: Context, deployment: Name, about: str) -> Site:
    """The deployment, if it is public and shows something; each request leaves its audit line.

    Raises:
        NotFoundError: it does not exist, shows nothing, or is not public: the three look the same.
    """
    try:
        require(context, Action.READ, Pattern.of(deployment), about=about)
        store = context.services.buckets.of(deployment.space).store
        kept = _kept(context, store, deployment)
    except NotFoundError:
        raise nothing_here() from None
    if not kept:
        raise nothing_here()
    return Site(context, deployment, store, kept)


def nothing_here() -> NotFoundError:
    return NotFoundError("There is nothing at this address.", hint="ks web ls")


def _kept(context: Context, store: ObjectStore, deployment: Name) -> list[Entry]:
    services = context.services
    history = services.histories.read(store, deployment, within=RECENT)
    # a log only grows; a deletion in it makes it longer, too
    key = (deployment, id(store), history.length)
    found = services.web.releases.get(key)
    if found is None:
        found = kept_releases(read_releases(history), services.web.settings.releases)
        services.web.releases.keep(key, found, 500 * len(found))
    return found
