"""``ks space``: the units of ownership."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Group
from klarity_storage.cli._output import Column
from klarity_storage.cli._parameters import Count, Size
from klarity_storage.cli._session import Session, pass_session

if TYPE_CHECKING:
    from klarity_storage.protocol.spaces import Space

COLUMNS = (
    Column("key", whole=True),
    Column("bucket"),
    Column("strategy"),
    Column("created", lambda space: space.created_at, _format.moment),
    Column("by", lambda space: space.created_by),
    Column("description", loose=True),
)


@click.group("space", cls=Group)
def command() -> None:
    """Spaces, the units of ownership: create, ls, show, quota."""


@command.command(
    "create",
    examples=["ks space create vision"],
)
@click.argument("key")
@click.option("--description", "-d", default="", help="One sentence for those who browse.")
@click.option("--bucket", help="Which of the server's buckets it lies in (main).")
@pass_session
def create(session: Session, key: str, description: str, bucket: str | None) -> None:
    """Create a space; you become its owner."""
    space = session.connect().create_space(key, description, bucket)
    session.out.result(space, space.key, f"Created the space {space.key}.")
    session.out.hint(f"ks push {space.key}/datasets/NAME PATH")


@command.command("ls", examples=["ks space ls"])
@pass_session
def ls(session: Session) -> None:
    """List the spaces that you may see."""
    show_spaces(session)


@command.command("show", examples=["ks space show vision"])
@click.argument("key")
@pass_session
def show(session: Session, key: str) -> None:
    """Show one space: which bucket it lies in, by which strategy."""
    space = session.connect().get_space(key)
    session.out.facts(space, _facts(space, exact=not session.out.terminal), line=space.key)


@command.command(
    "quota",
    server=True,
    examples=["ks space quota vision --bytes 50GB --objects 1M", "ks space quota vision --none"],
)
@click.argument("key")
@click.option("--bytes", "size", type=Size(), help="How much may lie in it: 500MB, 50GB, 2TiB.")
@click.option("--objects", type=Count(), help="How many objects: 200k, 1M.")
@click.option("--none", "lift", is_flag=True, help="Nothing limits it any more.")
@pass_session
def quota(session: Session, key: str, size: int | None, objects: int | None, lift: bool) -> None:
    """Set how much may lie in a space; takes an administrator.

    It replaces what was set before. A push that does not fit is refused before it uploads.
    """
    if lift == (size is not None or objects is not None):
        raise click.UsageError("Say --bytes, --objects or both; or --none alone.")
    space = session.connect().admin.set_quota(key, max_bytes=size, max_objects=objects)
    limits = _limits(space) or "no limit"
    session.out.result(space, space.key, f"The space {space.key} has {limits} now.")


def _limits(space: Space) -> str:
    most = space.quota
    if most is None:
        return ""
    told = [_format.size(most.bytes)] if most.bytes is not None else []
    told += [_format.things(most.objects, "object")] if most.objects is not None else []
    return " and ".join(told)


def _usage(space: Space) -> str:
    used = space.usage
    if used is None or used.counted_at is None:
        return ""
    return f"{_format.size(used.bytes)} in {_format.things(used.objects, 'object')}"


def _strategy(space: Space) -> str:
    if space.days is not None:
        days = _format.things(space.days, "day")
        return f"{space.strategy}, what was written expires after {days}"
    return f"{space.strategy}, public" if space.public else space.strategy


def _facts(space: Space, *, exact: bool) -> dict[str, str]:
    return {
        "space": space.key,
        "about": space.description,
        "bucket": space.bucket,
        "strategy": _strategy(space),
        "holds": _usage(space),
        "quota": _limits(space),
        "created": _format.moment(space.created_at, exact),
        "by": space.created_by or "",
    }


def show_spaces(session: Session) -> None:
    """The spaces, as a table."""
    from klarity_storage.protocol.spaces import SpaceList

    spaces = session.connect().get_spaces()
    session.out.listing(
        SpaceList(items=spaces),
        COLUMNS,
        line=lambda space: space.key,
        empty="There is no space that you may see. Create one with: ks space create KEY",
    )
