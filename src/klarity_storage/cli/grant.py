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
_WHY = (
    Column("why", lambda right: right.reason),
    Column("to", lambda right: right.grant and right.grant.principal),
    Column("on", lambda right: right.grant and right.grant.pattern),
    Column("expires", lambda right: right.grant and right.grant.expires_at, _format.moment),
    Column("grant", lambda right: right.grant and right.grant.id, whole=True),
)


@click.group("grant", cls=Group)
def command() -> None:
    """Who may do what, until when: add, ls, explain, who, rm."""


@command.command(
    "add",
    server=True,
    examples=[
        "ks grant add alice writer vision/datasets",
        "ks grant add bob reader 'vision/datasets/cats*' --until 2099-12-31",
        "ks grant add group:annotators writer vision/tables",
        "ks grant add service:trainer writer vision/models",
    ],
)
@click.argument("principal", type=Principal())
@click.argument("role", type=click.Choice(ROLES))
@click.argument("pattern")
@click.option("--until", type=Moment(), help="The grant ends then; never without it.")
@pass_session
def add(session: Session, principal: str, role: str, pattern: str, until: datetime | None) -> None:
    """Give a role on a pattern, SPACE[/KIND[/NAME-GLOB]].

    A PRINCIPAL is a user's name, group:NAME, service:NAME, or anyone. A reader lists and reads; a
    writer also commits, appends and tags; an owner also deletes, overwrites and grants.
    """
    from klarity_storage.protocol.grants import Role

    grant = session.connect().admin.create_grant(principal, Role(role), pattern, until)
    session.out.result(grant, grant.id, f"{grant.principal} is now {role} on {grant.pattern}.")


@command.command("ls", server=True, examples=["ks grant ls --space vision"])
@click.option("--space", help="On this space only.")
@click.option(
    "--principal", type=Principal(), help="Of this user, group:NAME or service:NAME only."
)
@pass_session
def ls(session: Session, space: str | None, principal: str | None) -> None:
    """List grants."""
    from klarity_storage.protocol.grants import GrantList

    grants = session.connect().admin.get_grants(space, principal)
    session.out.listing(
        GrantList(items=grants), COLUMNS, line=lambda grant: grant.id, empty="There is no grant."
    )


@command.command(
    "explain",
    server=True,
    examples=["ks grant explain alice vision/datasets/cats"],
)
@click.argument("principal", type=Principal())
@click.argument("target")
@pass_session
def explain(session: Session, principal: str, target: str) -> None:
    """Show what somebody may do with SPACE[/KIND[/NAME]], and by what, or why not.

    Everybody may ask for themselves; owners of the target and administrators, for all.
    """
    from klarity_storage.protocol.rights import RightList

    rights = session.connect().admin.explain(principal, target)
    session.out.listing(
        RightList(target=target, items=rights),
        (Column("action"), Column("allowed"), *_WHY),
        line=lambda right: f"{right.action} {'yes' if right.allowed else 'no'}",
        empty="",
    )


@command.command(
    "who",
    server=True,
    examples=["ks grant who vision/datasets/cats", "ks grant who write vision/datasets/cats"],
)
@click.argument("words", nargs=-1, required=True, metavar="[list|read|write|own] TARGET")
@pass_session
def who(session: Session, words: tuple[str, ...]) -> None:
    """Show everybody who may do something with SPACE[/KIND[/NAME]], and by what.

    Takes an owner of the target. Whoever may it as everybody may is not named beside anyone.
    """
    from klarity_storage.protocol.rights import Action, RightList

    *actions, target = words
    if len(actions) > 1 or (actions and actions[0] not in set(Action)):
        raise click.UsageError(f"Write one of {', '.join(Action)}, then one target.")
    rights = session.connect().admin.get_holders(target, actions[0] if actions else Action.READ)
    session.out.listing(
        RightList(target=target, items=rights),
        (Column("principal"), Column("action"), *_WHY),
        line=lambda right: right.principal,
        empty="Nobody may.",
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
