"""``ks lineage``."""

from __future__ import annotations

import click

from klarity_storage.cli._command import Command
from klarity_storage.cli._session import Session, pass_session


@click.command("lineage", cls=Command, examples=["ks lineage vision/datasets/cats@prod"])
@click.argument("reference")
@pass_session
def command(session: Session, reference: str) -> None:
    """Show what a version was made from, and what was made from it.

    What was made from it is looked for in every name that you may read.
    """
    found = session.connect().lineage(reference)
    session.out.facts(
        found,
        {
            "version": found.ref,
            "made from": "\n".join(found.made_from) or "nothing that was said",
            "made into": "\n".join(found.made_into) or "nothing that you may read",
        },
        line="\n".join([*found.made_from, *found.made_into]),
    )
