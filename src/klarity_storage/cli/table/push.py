"""``ks table push``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from klarity_storage.cli._command import Command
from klarity_storage.cli._parameters import Pair
from klarity_storage.cli._session import Session, pass_session
from klarity_storage.cli.table._counts import row_count


@click.command(
    "push",
    cls=Command,
    examples=[
        "ks table push vision/tables/runs runs.csv -m 'First runs'",
        "ks table push vision/tables/runs runs.csv --mode overwrite",
        "ks table push vision/tables/notes runs.csv --type run=string",
    ],
)
@click.argument("reference")
@click.argument("source", metavar="FILE", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--mode",
    type=click.Choice(["append", "overwrite", "error"]),
    default="append",
    show_default=True,
    help="Add rows, replace them all, or fail where the table exists.",
)
@click.option("--message", "-m", default="", help="Why: one sentence for the table's history.")
@click.option(
    "--type",
    "types",
    type=Pair(),
    multiple=True,
    metavar="COLUMN=TYPE",
    help="A CSV column's type, as Arrow names it: int64, string, …; repeatable.",
)
@click.option("--description", help="What the table is, for those who browse.")
@pass_session
def command(
    session: Session,
    /,
    *,
    reference: str,
    source: Path,
    mode: Literal["append", "overwrite", "error"],
    message: str,
    types: tuple[tuple[str, str], ...],
    description: str | None,
) -> None:
    """Write a CSV or Parquet file into a table, which is made if it is not there."""
    session.interrupted = "Nothing was committed: run the same command again."
    table = session.connect().push_data_frame(
        reference, source, mode=mode, message=message, types=dict(types), description=description
    )
    info = table.info
    session.out.result(
        info,
        f"{info.space}/tables/{info.name}",
        f"Wrote {source.name}: the table now has {row_count(info)} at version {info.version}.",
    )
