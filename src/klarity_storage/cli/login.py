"""``ks login``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from klarity_storage.cli._command import Command
from klarity_storage.cli._session import Session, pass_session
from klarity_storage.errors import InvalidInputError

if TYPE_CHECKING:
    from klarity_storage.client.logins import Login
    from klarity_storage.protocol.oidc import LoginIssuer


@click.command(
    "login",
    cls=Command,
    server=True,
    examples=["ks login $KS_URL --token-stdin < token.txt"],
)
@click.argument("url")
@click.option("--issuer", metavar="NAME", help="Which issuer, where the server has several.")
@click.option("--with-token", is_flag=True, help="Ask for a token of the server's own.")
@click.option("--token-stdin", is_flag=True, help="Read such a token from stdin.")
@pass_session
def command(
    session: Session, url: str, issuer: str | None, with_token: bool, token_stdin: bool
) -> None:
    """Keep a server's address and your token for later commands.

    Where the server trusts an issuer (OpenID Connect), shows an address and a code: open the one in
    a browser, on any device, and confirm the other there. The token that this gives is renewed by
    itself. Else, or with --with-token, asks for a token without showing it.

    Tries the token, and writes it to .safenai in your home directory, for you alone (mode 0600).
    """
    import klarity_storage as ks
    from klarity_storage.client.config import check_url, is_url, save_login

    if not is_url(url):
        raise InvalidInputError(
            f"{url!r} is not the URL of a server.",
            hint="Write https://ks.example.org; a directory takes no login.",
        )
    url = check_url(url).rstrip("/")
    chosen = None if with_token or token_stdin else _choose(url, issuer)
    token, login = (_read_token(token_stdin), None) if chosen is None else _log_in(session, chosen)
    with ks.connect(url, token=token) as storage:
        identity = storage.whoami()
    path = save_login(url, token, login)
    session.out.result(
        identity, identity.principal, f"Logged in to {url}. The token is kept in {path}."
    )
    if chosen is not None and login is None:
        session.out.hint(f"{chosen.name} gives nothing to renew it with: log in again when it ends")


def _choose(url: str, name: str | None) -> LoginIssuer | None:
    """The issuer to log in at; None where the server has none."""
    from klarity_storage.client.logins import find_issuers

    offered = {one.name: one for one in find_issuers(url)}
    if name is not None and name not in offered:
        raise InvalidInputError(
            f"{url} has no issuer {name!r} to log in at.",
            hint=f"It has {', '.join(offered)}." if offered else "ks login URL --with-token",
        )
    if name is None and len(offered) > 1:
        raise InvalidInputError(
            f"{url} has several issuers to log in at: {', '.join(offered)}.",
            hint=f"ks login {url} --issuer {next(iter(offered))}",
        )
    return offered[name] if name is not None else next(iter(offered.values()), None)


def _log_in(session: Session, chosen: LoginIssuer) -> tuple[str, Login | None]:
    from klarity_storage.client.device_flow import DeviceCode
    from klarity_storage.client.logins import log_in

    def show(code: DeviceCode) -> None:
        session.out.ask(f"Log in at {chosen.issuer}: open this address in a browser,")
        session.out.ask(f"\n  {code.verification_uri_complete or code.verification_uri}\n")
        session.out.ask(f"and confirm the code  {code.user_code}\n")

    session.interrupted = "Nothing was kept."
    return log_in(chosen, show)


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
