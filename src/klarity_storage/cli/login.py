"""``ks login``."""

from __future__ import annotations

import sys

import click

from klarity_storage.cli._command import Command
from klarity_storage.cli._session import Session, pass_session
from klarity_storage.errors import InvalidInputError


@click.command(
    "login",
    cls=Command,
    server=True,
    examples=["ks login $KS_URL --token-stdin < token.txt"],
)
@click.argument("url")
@click.option("--token-stdin", is_flag=True, help="Read the token from stdin.")
@pass_session
def command(session: Session, url: str, token_stdin: bool) -> None:
    """Keep a server's address and your token for later commands.

    Asks for the token without showing it, tries it, and writes both to .safenai in your home
    directory, for you alone (mode 0600).
    """
    import klarity_storage as ks
    from klarity_storage.client.config import is_url, save_login

    if not is_url(url):
        raise InvalidInputError(
            f"{url!r} is not the URL of a server.",
            hint="Write https://ks.example.org; a directory takes no login.",
        )
    token = _read_token(token_stdin)
    with ks.connect(url, token=token) as storage:
        identity = storage.whoami()
    path = save_login(url, token)
    session.out.result(
        identity, identity.principal, f"Logged in to {url}. The token is kept in {path}."
    )


def _read_token(from_stdin: bool) -> str:
    if from_stdin:
        token = sys.stdin.readline().strip()
    elif sys.stdin.isatty():
        token = str(click.prompt("Token", hide_input=True, err=True)).strip()
    else:
        raise InvalidInputError(
            "Nobody is at the terminal to type a token.",
            hint="ks login URL --token-stdin < FILE",
        )
    if not token:
        raise InvalidInputError(
            "The token is empty.", hint="An administrator makes one with: ks token create"
        )
    return token
