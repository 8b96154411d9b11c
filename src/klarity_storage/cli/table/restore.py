"""``ks table restore``."""

from __future__ import annotations

from datetime import datetime

import click

from klarity_storage.cli._command import Command
from klarity_storage.cli._parameters import Moment
from klarity_storage.cli._session import Session, pass_session
from klarity_storage.cli.table._counts import row_count


@click.command(
    "restore", cls=Command, examples=["ks table restore vision/tables/runs 0 -m 'As at first'"]
)
@click.argument("reference")
@click.argument("version", type=click.IntRange(min=0), required=False)
@click.option("--at-time", "timestamp", type=Moment(), help="The version of that time.")
@click.option("--message", "-m", default="", help="Why: one sentence for the table's history.")
@pass_session
def command(
    session: Session, reference: str, version: int | None, timestamp: datetime | None, message: str
) -> None:
    """Make a table what it was at VERSION, in a new version of its own.

    What came since stays in its history: restoring can be undone by restoring.
    """
    session.interrupted = "Nothing was committed: run the same command again."
    table = session.connect().restore(
        reference, version=version, timestamp=timestamp, message=message
    )
    session.out.result(
        table.info,
        str(table.info.version),
        f"Restored {table.ref}: it has {row_count(table.info)} at version {table.info.version}.",
    )
