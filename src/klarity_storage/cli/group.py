"""``ks group``: users and services that are granted something together."""

from __future__ import annotations

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Group
from klarity_storage.cli._output import Column
from klarity_storage.cli._session import Session, pass_session

COLUMNS = (
    Column("name", whole=True),
    Column("members", lambda group: len(group.members), right=True),
    Column("created", lambda group: group.created_at, _format.moment),
    Column("by", lambda group: group.created_by),
    Column("description", loose=True),
)


@click.group("group", cls=Group)
def command() -> None:
    """Groups of users and services: create, ls, show, add, remove, rm."""


@command.command(
    "create",
    server=True,
    examples=["ks group create annotators --description 'Who labels pictures'"],
)
@click.argument("name")
@click.option("--description", "-d", default="", help="One sentence for those who browse.")
@pass_session
def create(session: Session, name: str, description: str) -> None:
    """Create a group, which nobody is in yet."""
    group = session.connect().admin.create_group(name, description)
    session.out.result(group, group.name, f"Created the group {group.name}.")
    session.out.hint(f"ks group add {group.name} NAME, then ks grant add group:{group.name} …")


@command.command("ls", server=True, examples=["ks group ls"])
@pass_session
def ls(session: Session) -> None:
    """List groups."""
    from klarity_storage.protocol.groups import GroupList

    groups = session.connect().admin.get_groups()
    session.out.listing(
        GroupList(items=groups),
        COLUMNS,
        line=lambda group: group.name,
        empty="There is no group that you may see.",
    )


@command.command("show", server=True, examples=["ks group show annotators"])
@click.argument("name")
@pass_session
def show(session: Session, name: str) -> None:
    """Show who is in a group."""
    group = session.connect().admin.get_group(name)
    session.out.facts(
        group,
        {
            "group": group.name,
            "description": _format.harmless(group.description),
            "created": f"{_format.moment(group.created_at, True)} by {group.created_by}",
            "members": "\n".join(group.members) or "nobody",
        },
        line="\n".join(group.members),
    )


@command.command("add", server=True, examples=["ks group add annotators alice"])
@click.argument("name")
@click.argument("members", nargs=-1, required=True)
@pass_session
def add(session: Session, name: str, members: tuple[str, ...]) -> None:
    """Put users and services into a group, by their names."""
    admin = session.connect().admin
    for member in members:
        admin.add_member(name, member)
    session.out.result(admin.get_group(name), "", f"Put {', '.join(members)} into {name}.")


@command.command("remove", server=True, examples=["ks group remove annotators alice"])
@click.argument("name")
@click.argument("members", nargs=-1, required=True)
@pass_session
def remove(session: Session, name: str, members: tuple[str, ...]) -> None:
    """Take users and services out of a group, at once for new requests."""
    admin = session.connect().admin
    for member in members:
        admin.remove_member(name, member)
    session.out.result(admin.get_group(name), "", f"Took {', '.join(members)} out of {name}.")


@command.command("rm", server=True, examples=["ks group rm annotators --yes"])
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_session
def rm(session: Session, name: str, yes: bool) -> None:
    """Delete a group, with all that was granted to it."""
    session.out.confirm(f"Delete the group {name}, and all that was granted to it?", yes=yes)
    session.connect().admin.delete_group(name)
    session.out.result({"deleted": name}, "", f"Deleted the group {name}, with its grants.")
