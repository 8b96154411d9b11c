"""``ks table delete``."""

from __future__ import annotations

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Command
from klarity_storage.cli._session import Session, pass_session


@click.command(
    "delete",
    cls=Command,
    examples=["ks table delete --yes vision/tables/runs 'score < 0.3' -m 'Broken runs'"],
)
@click.argument("reference")
@click.argument("where")
@click.option("--raw", is_flag=True, help="Delete the binaries of these rows too.")
@click.option("--message", "-m", default="", help="Why: one sentence for the table's history.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_session
def command(
    session: Session, /, *, reference: str, where: str, raw: bool, message: str, yes: bool
) -> None:
    """Delete the rows for which WHERE, a condition in SQL, holds.

    They stay in older versions, from which `ks table restore` brings them back, until `ks table
    vacuum`. Binaries that are deleted with them are gone.
    """
    storage = session.connect()
    if not yes:
        count = storage.get_data_frame(reference, where).count()
        question = f"Delete {_format.things(count, 'row')} of {reference} where {where}?"
        session.out.confirm(question, yes=yes)
    session.interrupted = "Nothing was committed: run the same command again."
    done = storage.delete_rows(reference, where, raw_binaries=raw, message=message)
    rows = "the rows" if done.rows is None else _format.things(done.rows, "row")
    files = f" and {_format.things(done.raw_binaries, 'file')} beside them" if raw else ""
    said = f"Deleted {rows}{files}; the table is at version {done.version}."
    session.out.result(done, str(done.version), said)
