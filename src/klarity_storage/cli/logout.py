"""``ks logout``."""

from __future__ import annotations

import os

import click

from klarity_storage.cli._command import Command
from klarity_storage.cli._session import Session, pass_session


@click.command("logout", cls=Command, examples=["ks logout"])
@pass_session
def command(session: Session) -> None:
    """Forget your token, and end the login that it is of.

    Removes the token from .safenai in your home directory; the server's address stays. A login at
    an issuer is ended there. A token of the server's own stays good until `ks token revoke`.
    """
    from klarity_storage.client.config import TOKEN_VARIABLE
    from klarity_storage.client.logins import forget

    server, fault = forget()
    said = "There was no token to forget." if server is None else f"Logged out of {server}."
    session.out.result({"logged_out_of": server}, "", said)
    if fault is not None:
        session.out.say(f"The issuer was not told: {fault}")
    if os.environ.get(TOKEN_VARIABLE):
        session.out.say(f"{TOKEN_VARIABLE} still holds a token.")
