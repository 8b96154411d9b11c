"""``ks table query``."""

from __future__ import annotations

from pathlib import Path

import click

from klarity_storage.cli._command import Command
from klarity_storage.cli._session import Session, pass_session


@click.command(
    "query",
    cls=Command,
    examples=[
        "ks table query 'select split, count(*) as runs from vision.runs group by split'",
        "ks table query 'select * from vision.runs' --output runs.parquet",
        "ks table query 'select * from vision.runs' --format csv | head -n 3",
    ],
)
@click.argument("sql")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json", "parquet", "arrow"]),
    help="A table on a terminal, CSV elsewhere, or what the output file's name says.",
)
@click.option(
    "--output", "-o", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
    help="Write there, once it is complete.",
)  # fmt: skip
@click.option(
    "--rows", type=click.IntRange(min=1), default=100, show_default=True,
    help="Rows of --format table at most.",
)  # fmt: skip
@pass_session
def command(session: Session, sql: str, form: str | None, output: Path | None, rows: int) -> None:
    """Ask tables a question in SQL, and get the rows.

    A table is written SPACE.NAME. Rows stream: a result may be larger than the memory. Arrow is the
    IPC stream format.
    """
    from klarity_storage.cli._rows import Query, write_rows

    session.interrupted = "Nothing was changed."
    write_rows(Query(session.connect().sql(sql), form, output, rows), session.out)
