"""Versions and tags of artefacts, models and datasets."""

from __future__ import annotations

from klarity_storage.layout import (
    Kind,
    Name,
    check_hash,
    check_selector,
    check_tag,
    manifest_object,
)
from klarity_storage.protocol.versions import (
    CommitRequest,
    NameInfo,
    NameList,
    SetTag,
    TagInfo,
    TagList,
    VersionInfo,
    VersionList,
)
from klarity_storage.server.context import Context
from klarity_storage.server.rights.decide import Action
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.require import permitted, require
from klarity_storage.versions import commit, names, tag
from klarity_storage.versions.history import History


def list_names(context: Context, space: str, kind: Kind, *, uncommitted: bool = False) -> NameList:
    """The names of a kind that the caller may read; those that nothing came to a commit of, too.

    Raises:
        SpaceNotFoundError: there is no such space, or the caller may not see it.
    """
    Pattern.of_scope(f"{space}/{kind}")
    require(context, Action.LIST, Pattern(space, kind))
    may = permitted(context)
    store = context.services.buckets.of(space).store
    found = names.list_names(store, space, kind, uncommitted=uncommitted)
    return NameList(
        items=[
            NameInfo(space=name.space, kind=name.kind, name=name.name)
            for name in found
            if may(Pattern.of(name))
        ]
    )


def list_versions(context: Context, name: Name) -> VersionList:
    """The commits of a name, newest first.

    Raises:
        VersionNotFoundError: there is no such name, or the caller may not see it.
    """
    return VersionList(items=_history(context, name).versions())


def get_version(context: Context, name: Name, selector: str) -> VersionInfo:
    """The version that a tag, a hash, its beginning or ``latest`` stands for.

    Raises:
        VersionNotFoundError: there is none, or the caller may not see it.
        InvalidReferenceError: the selector fits several versions.
    """
    check_selector(selector)
    return _history(context, name).resolve(selector)


def commit_version(context: Context, name: Name, request: CommitRequest) -> VersionInfo:
    """Make uploaded files a version, when their manifest holds.

    Raises:
        InvalidManifestError: it does not hold.
        QuotaError: it does not fit into the space.
        ForbiddenError: the caller is no writer of the name.
    """
    require(context, Action.WRITE, Pattern.of(name), about=f"version {check_hash(request.version)}")
    services = context.services
    folder = manifest_object(request.version, request.manifest).partition("/")[0]
    with (
        services.buckets.writing(name.space) as bucket,
        services.usage.taking(name.space, name.version_prefix(folder)) as admit,
    ):
        info = commit.commit_version(
            bucket.store,
            name,
            request,
            by=context.actor.principal,
            stable_etags=bucket.engine.stable_etags,
            history=services.histories.known(name),
            admit=admit,
        )
    services.metrics.committed(name.kind)
    return info


def list_tags(context: Context, name: Name) -> TagList:
    """The tags of a name, by tag.

    Raises:
        VersionNotFoundError: there is no such name, or the caller may not see it.
    """
    return TagList(items=_history(context, name).tags())


def set_tag(context: Context, name: Name, label: str, wanted: SetTag) -> TagInfo:
    """Let a tag stand for a version.

    Raises:
        VersionNotFoundError: there is no such name or version.
        ForbiddenError: the caller is no writer of the name.
    """
    check_tag(label)
    check_selector(wanted.version)
    require(context, Action.WRITE, Pattern.of(name), about=f"tag {label} to {wanted.version}")
    services = context.services
    with services.buckets.writing(name.space) as bucket:
        return tag.set_tag(
            bucket.store,
            name,
            label,
            wanted.version,
            by=context.actor.principal,
            history=services.histories.known(name),
        )


def remove_tag(context: Context, name: Name, label: str) -> None:
    """Take a tag away.

    Raises:
        VersionNotFoundError: there is no such name or tag.
        ForbiddenError: the caller is no writer of the name.
    """
    check_tag(label)
    require(context, Action.WRITE, Pattern.of(name), about=f"tag {label}")
    services = context.services
    with services.buckets.writing(name.space) as bucket:
        tag.remove_tag(
            bucket.store,
            name,
            label,
            by=context.actor.principal,
            history=services.histories.known(name),
        )


def _history(context: Context, name: Name) -> History:
    require(context, Action.READ, Pattern.of(name))
    services = context.services
    history = services.histories.read(services.buckets.of(name.space).store, name)
    if not history.commits:
        raise history.not_found()
    return history
