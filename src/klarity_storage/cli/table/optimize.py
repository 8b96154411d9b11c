"""``ks table optimize``."""

from __future__ import annotations

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Command
from klarity_storage.cli._session import Session, pass_session


@click.command(
    "optimize",
    cls=Command,
    examples=[
        "ks table optimize vision/tables/runs",
        "ks table optimize vision/tables/runs --z-order run",
    ],
)
@click.argument("reference")
@click.option(
    "--z-order",
    metavar="COLUMN",
    multiple=True,
    help="Lay rows together whose values are near, and write the whole table anew; repeatable.",
)
@click.option("--message", "-m", default="", help="Why: one sentence for the table's history.")
@pass_session
def command(session: Session, reference: str, z_order: tuple[str, ...], message: str) -> None:
    """Lay a table's small files together; its rows stay the same."""
    session.interrupted = "Nothing was committed: run the same command again."
    done = session.connect().optimize(reference, z_order=z_order, message=message)
    removed, added = (_format.things(n, "file") for n in (done.files_removed, done.files_added))
    said = f"Made {added} of {removed}." if done.files_removed else "No file is small."
    session.out.result(done, str(done.version), said)
    if done.files_removed:
        session.out.hint(f"ks table vacuum {reference} lists files that are not needed any more.")
