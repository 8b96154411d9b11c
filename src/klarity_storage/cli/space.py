"""``ks space``: the units of ownership."""

from __future__ import annotations

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Group
from klarity_storage.cli._output import Column
from klarity_storage.cli._session import Session, pass_session

COLUMNS = (
    Column("key", whole=True),
    Column("created", lambda space: space.created_at, _format.moment),
    Column("by", lambda space: space.created_by),
    Column("description", loose=True),
)


@click.group("space", cls=Group)
def command() -> None:
    """Spaces, the units of ownership: create, ls."""


@command.command(
    "create",
    examples=["ks space create vision"],
)
@click.argument("key")
@click.option("--description", "-d", default="", help="One sentence for those who browse.")
@pass_session
def create(session: Session, key: str, description: str) -> None:
    """Create a space; you become its owner."""
    space = session.connect().create_space(key, description)
    session.out.result(space, space.key, f"Created the space {space.key}.")
    session.out.hint(f"ks push {space.key}/datasets/NAME PATH")


@command.command("ls", examples=["ks space ls"])
@pass_session
def ls(session: Session) -> None:
    """List the spaces that you may see."""
    show_spaces(session)


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
