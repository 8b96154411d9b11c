"""``ks table discard``."""

from __future__ import annotations

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Command
from klarity_storage.cli._session import Session, pass_session


@click.command("discard", cls=Command, examples=["ks table discard --yes vision/tables/runs"])
@click.argument("reference")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_session
def command(session: Session, reference: str, yes: bool) -> None:
    """Throw a sandbox's changes away, for ever: it begins anew, with the table as it is now."""
    storage = session.connect()
    if not yes:
        commits = storage.diff_table(reference).summary().commits
        if commits:
            what = _format.things(commits, "commit")
            session.out.confirm(f"Throw {what} of the sandbox of {reference} away?", yes=yes)
    done = storage.discard_table(reference)
    session.out.result(
        done, str(done.version), f"The sandbox begins anew, with version {done.version}."
    )
