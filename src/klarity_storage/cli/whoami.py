"""``ks whoami``."""

from __future__ import annotations

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Command
from klarity_storage.cli._session import Session, pass_session


@click.command("whoami", cls=Command, examples=["ks whoami", "ks whoami --json"])
@pass_session
def command(session: Session) -> None:
    """Show who you are here, and what you were granted."""
    storage = session.connect()
    identity = storage.whoami()
    granted = [f"{grant.role} on {grant.pattern}" for grant in identity.grants]
    session.out.facts(
        identity,
        {
            "you are": identity.principal,
            "name": identity.display_name,
            "administrator": "yes" if identity.administrator else "",
            "connected to": f"{storage.location} ({storage.mode})",
            "because": storage.source,
            "granted": _format.harmless("\n".join(granted)),
        },
        line=identity.principal,
    )
    if storage.mode == "server" and not granted and not identity.administrator:
        session.out.hint("nothing is granted to you yet: ask an owner for ks grant add")
