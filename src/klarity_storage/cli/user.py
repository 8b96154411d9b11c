"""``ks user``: people who log in."""

from __future__ import annotations

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Group
from klarity_storage.cli._output import Column
from klarity_storage.cli._session import Session, pass_session

COLUMNS = (
    Column("name", whole=True),
    Column("display name", loose=True),
    Column("administrator", lambda user: user.administrator or ""),
    Column("created", lambda user: user.created_at, _format.moment),
    Column("disabled", lambda user: user.disabled_at, _format.moment),
    Column("issuer", lambda user: user.issuer or "", loose=True),
)


@click.group("user", cls=Group)
def command() -> None:
    """People who log in: create, ls, disable."""


@command.command(
    "create",
    server=True,
    examples=[
        "ks user create alice --display-name 'Alice Martin'",
        "ks user create bob",
    ],
)
@click.argument("name")
@click.option("--display-name", default="", help="How the person is called.")
@click.option("--administrator", is_flag=True, help="May manage users, tokens and spaces.")
@pass_session
def create(session: Session, name: str, display_name: str, administrator: bool) -> None:
    """Create a user, who still needs a token and grants."""
    user = session.connect().admin.create_user(name, display_name, administrator=administrator)
    session.out.result(user, user.name, f"Created the user {user.name}.")
    session.out.hint(f"ks token create --user {user.name}")


@command.command("ls", server=True, examples=["ks user ls"])
@pass_session
def ls(session: Session) -> None:
    """List users."""
    from klarity_storage.protocol.users import UserList

    users = session.connect().admin.get_users()
    session.out.listing(
        UserList(items=users),
        COLUMNS,
        line=lambda user: user.name,
        empty="There is no user that you may see.",
    )


@command.command("disable", server=True, examples=["ks user disable bob --yes"])
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_session
def disable(session: Session, name: str, yes: bool) -> None:
    """Lock a user out for good: none of their tokens works any more."""
    session.out.confirm(f"Disable the user {name}?", yes=yes)
    user = session.connect().admin.disable_user(name)
    session.out.result(user, user.name, f"Disabled the user {user.name}.")
