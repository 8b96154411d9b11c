"""``ks table push``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
        "ks table push vision/tables/runs runs.csv --mode merge --key run",
        "ks table push vision/tables/runs runs.csv --mode overwrite --where 'run > 0'",
        "ks table push vision/tables/notes runs.csv --type run=string",
    ],
)
@click.argument("reference")
@click.argument("source", metavar="FILE", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--mode",
    type=click.Choice(["append", "overwrite", "merge", "error"]),
    default="append",
    show_default=True,
    help="Add rows, replace them, update those with the same key, or fail where the table exists.",
)
@click.option(
    "--key",
    "keys",
    metavar="COLUMN",
    multiple=True,
    help="For merge: what tells one row from another; repeatable.",
)
@click.option("--where", metavar="SQL", help="For overwrite: which rows are replaced.")
@click.option(
    "--partition-by",
    metavar="COLUMN",
    multiple=True,
    help="Of a new table: lay rows of one value together; repeatable.",
)
@click.option("--evolve", is_flag=True, help="Let the file bring new columns, and lack others.")
@click.option(
    "--lineage", metavar="REFERENCE", multiple=True, help="What it was made from; repeatable."
)
@click.option("--message", "-m", default="", help="Why: one sentence for the table's history.")
@click.option(
    "--type",
    "types",
    type=Pair(),
    multiple=True,
    metavar="COLUMN=TYPE",
    help="A column's type, as Arrow names it: int64, string, …; repeatable.",
)
@click.option("--description", help="What the table is, for those who browse.")
@pass_session
def command(
    session: Session,
    /,
    *,
    reference: str,
    source: Path,
    types: tuple[tuple[str, str], ...],
    **order: Any,
) -> None:
    """Write a CSV, JSON lines or Parquet file into a table, which is made if it is not there."""
    session.interrupted = "Nothing was committed: run the same command again."
    table = session.connect().push_data_frame(reference, source, types=dict(types), **order)
    info = table.info
    session.out.result(
        info,
        f"{info.space}/tables/{info.name}",
        f"Wrote {source.name}: the table now has {row_count(info)} at version {info.version}.",
    )
