"""``ks table promote``."""

from __future__ import annotations

import click

from klarity_storage.cli._command import Command
from klarity_storage.cli._session import Session, pass_session
from klarity_storage.cli.table._counts import row_count


@click.command(
    "promote",
    cls=Command,
    examples=["ks table promote vision/tables/runs -m 'Tried in a sandbox'"],
)
@click.argument("reference")
@click.option("--message", "-m", default="", help="Why: one sentence for the table's history.")
@click.option(
    "--lineage", metavar="REFERENCE", multiple=True, help="What it was made from; repeatable."
)
@pass_session
def command(session: Session, reference: str, message: str, lineage: tuple[str, ...]) -> None:
    """Commit a sandbox's changes to its table, at once; the sandbox then begins anew.

    It is refused when the table has moved on in a way that excludes the changes.
    """
    session.interrupted = "Run it again: what was committed is not committed twice."
    done = session.connect().promote_table(reference, message=message, lineage=lineage).info
    said = f"Promoted: the table now has {row_count(done)} at version {done.version}."
    session.out.result(done, str(done.version), said)
