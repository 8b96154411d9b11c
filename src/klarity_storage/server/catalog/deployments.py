"""Deployments: show a version of a front end, go back, and tell what is shown where."""

from __future__ import annotations

from klarity_storage.errors import (
    FileMissingError,
    InvalidInputError,
    InvalidReferenceError,
    NotFoundError,
    VersionNotFoundError,
)
from klarity_storage.layout import Kind, Name, Reference, is_hash_prefix
from klarity_storage.protocol.spaces import Strategy
from klarity_storage.protocol.web import (
    DOCUMENT,
    INDEX,
    Deploy,
    Deployment,
    DeploymentList,
    ReleaseList,
    Rollback,
    deployment_name,
    deployment_of,
)
from klarity_storage.server.context import Context
from klarity_storage.server.rights.actor import Stranger
from klarity_storage.server.rights.decide import Action
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.require import permitted, require
from klarity_storage.server.web.keep import holder_of
from klarity_storage.server.web.releases import (
    AGAIN,
    Entry,
    Pinned,
    Shown,
    find_target,
    read_releases,
    tell_releases,
)
from klarity_storage.server.web.switch import Switch, switch
from klarity_storage.versions.history import History
from klarity_storage.versions.manifest import after
from klarity_storage.versions.names import list_names

MAX_DATA = 100
"""Versions that a release pins beside its front end."""


def list_deployments(context: Context, space: str) -> DeploymentList:
    """The deployments of a space that show something, as far as the caller may read them.

    Raises:
        SpaceNotFoundError: there is no such space, or the caller may not see it.
    """
    require(context, Action.LIST, Pattern.of_scope(f"{space}/{Kind.ARTEFACTS}"))
    may, services = permitted(context), context.services
    store = services.buckets.of(space).store
    names = [name for name in list_names(store, space, Kind.ARTEFACTS) if deployment_of(name)]
    found = [
        (name, read_releases(services.histories.read(store, name)))
        for name in names
        if may(Pattern.of(name))
    ]
    return DeploymentList(
        items=[_tell(context, name, entries) for name, entries in found if _shows(entries)]
    )


def get_deployment(context: Context, space: str, deployment: str) -> Deployment:
    """What a deployment shows, and where.

    Raises:
        NotFoundError: it shows nothing, or the caller may not see it.
    """
    name = deployment_name(space, deployment)
    entries = _read(context, name)
    if not _shows(entries):
        raise _no_deployment(name)
    return _tell(context, name, entries)


def list_releases(context: Context, space: str, deployment: str) -> ReleaseList:
    """What a deployment has shown, newest first; it may show nothing by now.

    Raises:
        NotFoundError: there never was one, or the caller may not see it.
    """
    entries = _read(context, deployment_name(space, deployment))
    return ReleaseList(items=tell_releases(entries, context.services.web.settings.releases))


def deploy(context: Context, space: str, deployment: str, wanted: Deploy) -> Deployment:
    """Show a version of a front end, with the data that belong to it.

    Raises:
        VersionNotFoundError: there is no such version, or it was deleted.
        InvalidInputError: it is no front end, or nobody could read it without a token.
        ForbiddenError: the caller is no writer of the deployment.
    """
    name = deployment_name(space, deployment)
    references = [_reference(text) for text in (wanted.app, *wanted.data)]
    _check_data(references)
    require(context, Action.WRITE, Pattern.of(name), about=f"deploy {wanted.app}")
    _refuse_private(context, name)
    app, *data = (_resolve(context, name, reference) for reference in references)
    _check_front_end(context, app)
    shown = Shown(app, tuple(sorted(data)))
    return _tell(context, name, switch(context, name, Switch(shown, wanted.message)))


def rollback(context: Context, space: str, deployment: str, wanted: Rollback) -> Deployment:
    """Show an earlier release again.

    Raises:
        VersionNotFoundError: there is none, or one of its versions was deleted.
        ConflictError: somebody else has deployed meanwhile.
        ForbiddenError: the caller is no writer of the deployment.
    """
    name = deployment_name(space, deployment)
    about = f"roll back to {wanted.to or 'the release before'}"
    require(context, Action.WRITE, Pattern.of(name), about=about)
    entries = _entries(context, name)
    target = find_target(entries, holder_of(name), wanted.to)
    return _tell(
        context,
        name,
        switch(
            context,
            name,
            Switch(
                target.shown,
                wanted.message,
                expected=entries[-1].version,
                metadata={AGAIN: target.origin},
            ),
        ),
    )


def remove_deployment(context: Context, space: str, deployment: str) -> None:
    """Show nothing any more, and let go of the versions that were kept for it.

    Raises:
        NotFoundError: it shows nothing, or the caller may not see it.
        ForbiddenError: the caller is no owner of the deployment.
    """
    name = deployment_name(space, deployment)
    require(context, Action.OWN, Pattern.of(name), about="take the deployment down")
    entries = _entries(context, name)
    if not _shows(entries):
        raise _no_deployment(name)
    switch(context, name, Switch(Shown(None), expected=entries[-1].version))


def _read(context: Context, name: Name) -> list[Entry]:
    require(context, Action.READ, Pattern.of(name))
    return _entries(context, name)


def _entries(context: Context, name: Name) -> list[Entry]:
    services = context.services
    entries = read_releases(services.histories.read(services.buckets.of(name.space).store, name))
    if not entries:
        raise _no_deployment(name)
    return entries


def _shows(entries: list[Entry]) -> bool:
    return bool(entries) and entries[-1].shown.app is not None


def _tell(context: Context, name: Name, entries: list[Entry]) -> Deployment:
    settings, holder = context.services.web.settings, holder_of(name)
    return Deployment(
        space=name.space,
        name=deployment_of(name) or "",
        release=tell_releases(entries, settings.releases)[0],
        hosts=sorted(host for host, shown in settings.hosts.items() if shown == holder),
        path=f"/web/{holder}/" if settings.paths else None,
    )


def _reference(text: str) -> Reference:
    reference = Reference.parse(text)
    if not reference.name.kind.versioned or reference.path is not None:
        raise InvalidReferenceError(
            f"{text!r} is not a version of an artefact, model or dataset.",
            hint="Write space/kind/name@VERSION; a table as it stands belongs into one of these.",
        )
    return reference


def _check_data(references: list[Reference]) -> None:
    app, *data = references
    if app.name.kind is not Kind.ARTEFACTS or deployment_of(app.name):
        raise InvalidReferenceError(
            f"{app.name} is not a front end: those are artefacts.",
            hint="ks web publish ./dist --app kd-front",
        )
    names = [reference.name for reference in data]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidInputError(
            f"{twice} is pinned twice, and a page could not tell which to read.",
            hint="Pin one of them.",
        )
    if len(data) > MAX_DATA:
        raise InvalidInputError(f"A release pins {MAX_DATA} versions at most.", hint="Pin fewer.")


def _refuse_private(context: Context, *names: Name) -> None:
    """Browsers load a page without a token, so what makes it up must be public."""
    may = permitted(Context(context.services, Stranger(), context.operation, context.request_id))
    for name in names:
        if not may(Pattern.of(name)):
            raise InvalidInputError(
                f"{name} is not public, and browsers load pages without a token.",
                hint="Take a space in a public bucket with strategy = 'web': "
                f"ks space show {name.space}",
            )


def _resolve(context: Context, deployment: Name, reference: Reference) -> Pinned:
    """The version that is meant now, which the caller may read."""
    name = reference.name
    about = f"{reference} for {holder_of(deployment)}"
    require(context, Action.READ, Pattern.of(name), about=about)
    bucket = context.services.buckets.of(name.space)
    if bucket.strategy is Strategy.SCRATCH:
        raise InvalidInputError(
            f"{name} lies in scratch, and expires by itself.",
            hint="Push it into a space that keeps it.",
        )
    history = context.services.histories.read(bucket.store, name)
    try:
        return name, history.resolve(reference.selector).version
    except VersionNotFoundError:
        _tell_deleted(history, reference)
        raise


def _tell_deleted(history: History, reference: Reference) -> None:
    selector = reference.selector or ""
    for version, gone in history.deleted.items():
        if is_hash_prefix(selector) and version.startswith(selector):
            raise VersionNotFoundError(
                f"{reference.name}@{version[:12]} was deleted on {gone.at:%Y-%m-%d}.",
                hint=f"Publish it again, or deploy another one: ks log {reference.name}",
            )


def _check_front_end(context: Context, app: Pinned) -> None:
    name, version = app
    _refuse_private(context, name)
    services = context.services
    store = services.buckets.of(name.space).store
    info = services.histories.read(store, name).resolve(version)
    manifest = services.files.manifests.of(store, name, info)
    try:
        manifest.find(INDEX)
    except FileMissingError as error:
        raise InvalidInputError(
            f"{name}@{version[:12]} has no {INDEX}: browsers would find nothing.",
            hint=f"ks web publish ./dist --app {name.space}/{name.name}",
        ) from error
    if len(manifest.between(DOCUMENT, after(DOCUMENT))):
        raise InvalidInputError(
            f"{name}@{version[:12]} holds {DOCUMENT!r}, the address at which a deployment says "
            "what it shows.",
            hint="Rename the file, and publish again.",
        )


def _no_deployment(name: Name) -> NotFoundError:
    return NotFoundError(
        f"There is no deployment {holder_of(name)}.", hint=f"ks web ls {name.space}"
    )
