"""``ks token``: by which users and services are known."""

from __future__ import annotations

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Group
from klarity_storage.cli._output import Column
from klarity_storage.cli._parameters import Duration
from klarity_storage.cli._session import Session, pass_session

COLUMNS = (
    Column("id", whole=True),
    Column("of", lambda token: f"service:{token.user}" if token.service else token.user),
    Column("narrowed to", lambda token: ", ".join(token.scopes), loose=True),
    Column("label", loose=True),
    Column("created", lambda token: token.created_at, _format.moment),
    Column("expires", lambda token: token.expires_at or "never", _format.moment),
    Column("last used", lambda token: token.last_used_at or "never", _format.moment),
    Column("revoked", lambda token: token.revoked_at, _format.moment),
)


@click.group("token", cls=Group)
def command() -> None:
    """Tokens of users and services: create, ls, revoke."""


@command.command(
    "create",
    server=True,
    examples=[
        "ks token create --label laptop --expires-in 30d > token.txt",
        "ks token create --user alice > alice.txt",
        "ks token create --scope reader:vision/datasets --expires-in 12h > job.txt",
        "ks token create --service trainer > trainer.txt",
    ],
)
@click.option("--user", help="Whose token: yours without it.")
@click.option("--service", help="Which service's token, in the place of a user's.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="ROLE:PATTERN",
    help="May do no more than this: reader:vision/datasets; may be given again.",
)
@click.option("--label", default="", help="Where it will be used.")
@click.option("--expires-in", type=Duration(), help="30d, 12h, …; never without it.")
@pass_session
def create(
    session: Session,
    user: str | None,
    service: str | None,
    scopes: tuple[str, ...],
    label: str,
    expires_in: int | None,
) -> None:
    """Create a token and print its secret, this once.

    A token may do what its account may; with --scope, no more than that says either. One that is
    narrowed so makes no tokens.
    """
    new = session.connect().admin.create_token(
        user, label, expires_in, service=service, scopes=scopes
    )
    session.out.result(
        new,
        new.secret,
        f"Created the token {new.token.id} of {new.token.user}. "
        "Its secret is shown this once: keep it as you would keep a password.",
    )


@command.command("ls", server=True, examples=["ks token ls", "ks token ls --user alice"])
@click.option("--user", help="Of this user only.")
@click.option("--service", help="Of this service only.")
@pass_session
def ls(session: Session, user: str | None, service: str | None) -> None:
    """List tokens; their secrets are kept nowhere."""
    from klarity_storage.protocol.tokens import TokenList

    tokens = session.connect().admin.get_tokens(user, service=service)
    session.out.listing(
        TokenList(items=tokens), COLUMNS, line=lambda token: token.id, empty="There is no token."
    )


@command.command(
    "revoke",
    server=True,
    examples=["ks token revoke --yes $(ks token ls --user alice --quiet)"],
)
@click.argument("token_id")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_session
def revoke(session: Session, token_id: str, yes: bool) -> None:
    """End a token at once."""
    session.out.confirm(f"Revoke the token {token_id}?", yes=yes)
    session.connect().admin.revoke_token(token_id)
    session.out.result({"revoked": token_id}, "", f"Revoked the token {token_id}.")
