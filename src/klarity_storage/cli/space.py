"""``ks space``: the units of ownership."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Group
from klarity_storage.cli._output import Column
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
    """Spaces, the units of ownership: create, ls, show."""


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


def _facts(space: Space, *, exact: bool) -> dict[str, str]:
    return {
        "space": space.key,
        "about": space.description,
        "bucket": space.bucket,
        "strategy": space.strategy,
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
