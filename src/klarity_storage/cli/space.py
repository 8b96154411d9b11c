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
    from klarity_storage import Storage
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
    """Spaces, the units of ownership: create, ls, show, quota, move."""


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


@command.command(
    "move",
    server=True,
    examples=["ks space move vision --bucket archive", "ks space move vision --cancel"],
)
@click.argument("key")
@click.option("--bucket", help="Which of the server's buckets it is to lie in.")
@click.option("--cancel", is_flag=True, help="Let it stay where it lies.")
@click.option("--no-wait", is_flag=True, help="Leave it to the server, and return at once.")
@pass_session
def move(session: Session, key: str, bucket: str | None, cancel: bool, no_wait: bool) -> None:
    """Move a space to another bucket; takes an administrator.

    The server copies everything and makes sure of it, then switches. Until then nothing is written
    to the space. Keys to write that are out must end first: up to an hour, mostly. Ctrl-C leaves
    the server at it.
    """
    if cancel is (bucket is not None):
        raise click.UsageError("Say --bucket, or --cancel.")
    storage = session.connect()
    if bucket is None:
        storage.admin.cancel_move(key)
        space = storage.get_space(key)
        session.out.result(space, space.key, f"The space {key} stays in {space.bucket}.")
        return
    space = storage.get_space(key)
    if space.move is None or space.move.bucket != bucket:
        space = storage.admin.move_space(key, bucket)
    session.interrupted = f"The server goes on; ks space show {key} tells how far it is."
    if not no_wait:
        space = _moved(session, storage, key)
    done = space.bucket == bucket
    said = f"lies in {bucket} now" if done else f"is on its way to {bucket}"
    session.out.result(space, space.key, f"The space {key} {said}.")


def _moved(session: Session, storage: Storage, key: str) -> Space:
    """Wait until a space has been moved, and tell what it waits for."""
    import time

    from klarity_storage.errors import ConflictError

    told = ""
    while True:
        space = storage.get_space(key)
        if space.move is None or space.move.bucket == space.bucket:
            return space
        if space.move.phase == "undoing":
            raise ConflictError(f"The move of {key} was cancelled.")
        if (now := _progress(space)) != told:
            told = now
            session.out.say(told)
        time.sleep(1)


def _progress(space: Space) -> str:
    move = space.move
    if move is None:
        return ""
    said = f"{move.phase} to {move.bucket}, {_format.size(move.bytes)} copied"
    if move.waits_until is not None:
        said += f", waits for keys that end {_format.moment(move.waits_until, True)}"
    return f"{said}; {move.error}" if move.error else said


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
        "move": _progress(space),
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
