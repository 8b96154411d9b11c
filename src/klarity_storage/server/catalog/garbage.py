"""Deleting versions, collecting what they leave, and where a push may write meanwhile."""

from __future__ import annotations

from datetime import timedelta

from klarity_storage.layout import Name, check_hash, check_selector
from klarity_storage.protocol.versions import CollectGarbage, Garbage, UploadPlace
from klarity_storage.server.buckets.measure import Amount
from klarity_storage.server.context import Context
from klarity_storage.server.rights.decide import Action
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.require import require
from klarity_storage.versions import delete, gc


def delete_version(
    context: Context,
    name: Name,
    selector: str,
    *,
    reason: str = "",
    untag: bool = False,
    unpin: bool = False,
) -> None:
    """Take a version out of the lists; its bytes stay until they are collected.

    Raises:
        VersionNotFoundError: there is no such name or version.
        ConflictError: a tag stands for it, or a deployment shows it.
        ForbiddenError: the caller is no owner of the name.
    """
    check_selector(selector)
    require(context, Action.OWN, Pattern.of(name), about=f"delete version {selector}")
    services = context.services
    with services.buckets.writing(name.space) as bucket:
        delete.delete_version(
            bucket.store,
            name,
            selector,
            by=context.actor.principal,
            reason=reason,
            untag=untag,
            unpin=unpin,
            history=services.histories.known(name),
        )
    services.histories.outdate(name)


def collect_garbage(context: Context, name: Name, wanted: CollectGarbage) -> Garbage:
    """List what no version of a name refers to; delete it when it is no dry run.

    Raises:
        SpaceNotFoundError: there is no such space, or the caller may not see it.
        ForbiddenError: the caller is no owner of the name.
    """
    told = "list garbage" if wanted.dry_run else "delete garbage"
    require(context, Action.OWN, Pattern.of(name), about=f"{told} older than {wanted.grace} s")
    services = context.services
    with services.buckets.writing(name.space) as bucket:
        found = gc.collect_garbage(
            bucket.store,
            name,
            by=context.actor.principal,
            grace=timedelta(seconds=wanted.grace),
            dry_run=wanted.dry_run,
            history=services.histories.known(name),
            uploads=bucket.engine.uploads,
        )
    if not found.dry_run and found.objects:
        services.usage.add(name.space, Amount(-found.bytes, -found.objects))
    return found


def find_place(context: Context, name: Name, version: str) -> UploadPlace:
    """Where the content of a version is uploaded to, or its manifest if it is there.

    Raises:
        SpaceNotFoundError: there is no such space, or the caller may not see it.
        ForbiddenError: the caller is no writer of the name.
    """
    check_hash(version)
    require(context, Action.WRITE, Pattern.of(name), about=f"place of version {version}")
    services = context.services
    return services.histories.read(services.buckets.of(name.space).store, name).place(version)
