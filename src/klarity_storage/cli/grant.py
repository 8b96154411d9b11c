"""``ks grant``: who may do what, where, until when."""

from __future__ import annotations

from datetime import datetime

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Group
from klarity_storage.cli._output import Column
from klarity_storage.cli._parameters import Moment, Principal
from klarity_storage.cli._session import Session, pass_session

ROLES = ("reader", "writer", "owner")
COLUMNS = (
    Column("id", whole=True),
    Column("principal"),
    Column("role"),
    Column("pattern", whole=True),
    Column("expires", lambda grant: grant.expires_at or "never", _format.moment),
    Column("by", lambda grant: grant.created_by),
)


@click.group("grant", cls=Group)
def command() -> None:
    """Who may do what, where, until when: add, ls, rm."""


@command.command(
    "add",
    server=True,
    examples=[
        "ks grant add alice writer vision/datasets",
        "ks grant add bob reader 'vision/datasets/cats*' --until 2099-12-31",
    ],
)
@click.argument("principal", type=Principal())
@click.argument("role", type=click.Choice(ROLES))
@click.argument("pattern")
@click.option("--until", type=Moment(), help="The grant ends then; never without it.")
@pass_session
def add(session: Session, principal: str, role: str, pattern: str, until: datetime | None) -> None:
    """Give a role on a pattern, SPACE[/KIND[/NAME-GLOB]].

    A PRINCIPAL is a user's name, or anyone. A reader lists and reads; a writer also commits,
    appends and tags; an owner also deletes, overwrites and grants.
    """
    from klarity_storage.protocol.grants import Role

    grant = session.connect().admin.create_grant(principal, Role(role), pattern, until)
    session.out.result(grant, grant.id, f"{grant.principal} is now {role} on {grant.pattern}.")


@command.command("ls", server=True, examples=["ks grant ls --space vision"])
@click.option("--space", help="On this space only.")
@click.option("--principal", type=Principal(), help="Of this user only.")
@pass_session
def ls(session: Session, space: str | None, principal: str | None) -> None:
    """List grants."""
    from klarity_storage.protocol.grants import GrantList

    grants = session.connect().admin.get_grants(space, principal)
    session.out.listing(
        GrantList(items=grants), COLUMNS, line=lambda grant: grant.id, empty="There is no grant."
    )


@command.command(
    "rm",
    server=True,
    examples=["ks grant rm $(ks grant ls --principal bob --quiet)"],
)
@click.argument("grant_id")
@pass_session
def rm(session: Session, grant_id: str) -> None:
    """Take a grant back, at once for new requests.

    Temporary S3 credentials that were given out before live until they expire.
    """
    session.connect().admin.revoke_grant(grant_id)
    session.out.result({"revoked": grant_id}, "", f"Took back the grant {grant_id}.")
