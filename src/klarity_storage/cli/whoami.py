"""``ks whoami``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Command
from klarity_storage.cli._session import Session, pass_session

if TYPE_CHECKING:
    from klarity_storage.protocol.grants import Grant


@click.command("whoami", cls=Command, examples=["ks whoami", "ks whoami --json"])
@pass_session
def command(session: Session) -> None:
    """Show who you are here, and what you were granted."""
    storage = session.connect()
    identity = storage.whoami()
    granted = [_told(grant, identity.principal) for grant in identity.grants]
    session.out.facts(
        identity,
        {
            "you are": identity.principal,
            "name": identity.display_name,
            "administrator": "yes" if identity.administrator else "",
            "groups": ", ".join(identity.groups),
            "narrowed to": "\n".join(identity.scopes),
            "connected to": f"{storage.location} ({storage.mode})",
            "because": storage.source,
            "granted": _format.harmless("\n".join(granted)),
        },
        line=identity.principal,
    )
    if storage.mode == "server" and not granted and not identity.administrator:
        session.out.hint("nothing is granted to you yet: ask an owner for ks grant add")


def _told(grant: Grant, principal: str) -> str:
    """``reader on vision/datasets, as group:annotators, until 2030-01-01``."""
    through = "" if grant.principal == principal else f", as {grant.principal}"
    until = f", until {grant.expires_at:%Y-%m-%d}" if grant.expires_at else ""
    return f"{grant.role} on {grant.pattern}{through}{until}"
