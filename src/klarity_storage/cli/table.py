"""``ks table``: Delta Lake tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Group
from klarity_storage.cli._output import Column, Output
from klarity_storage.cli._parameters import Pair
from klarity_storage.cli._session import Session, pass_session

if TYPE_CHECKING:
    from klarity_storage.protocol.tables import TableInfo

TABLES = (Column("table", lambda t: f"{t.space}/tables/{t.name}", whole=True),
          Column("in sql", lambda t: f"{t.space}.{t.name}", whole=True))  # fmt: skip
COLUMNS = (
    Column("column", lambda column: column.name, whole=True),
    Column("type", whole=True),
    Column("null", lambda column: "" if column.nullable else "never"),
    Column("comment", loose=True),
)


@click.group("table", cls=Group)
def command() -> None:
    """Tables: ls, show, push, query."""


@command.command(
    "push",
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
def push(
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
        f"Wrote {source.name}: the table now has {_rows(info)} at version {info.version}.",
    )


@command.command("ls", examples=["ks table ls", "ks table ls vision --name 'r*'"])
@click.argument("space", default="all")
@click.option("--name", metavar="GLOB", help="Names that match.")
@pass_session
def ls(session: Session, space: str, name: str | None) -> None:
    """List tables, of one space or of all."""
    from klarity_storage.protocol.tables import TableList

    tables = session.connect().get_data_tables(space, name=name)
    session.out.listing(
        TableList(items=tables),
        TABLES,
        line=lambda table: f"{table.space}/tables/{table.name}",
        empty="There is no such table. Make one with: ks table push SPACE/tables/NAME FILE",
    )


@command.command("show", examples=["ks table show vision/tables/runs"])
@click.argument("reference")
@pass_session
def show(session: Session, reference: str) -> None:
    """Show a table's columns and what it holds."""
    info = session.connect().get_data_table(reference).info
    out = session.out
    out.facts(info, _facts(info, out), line=f"{info.space}/tables/{info.name}")
    if not out.silent:
        out.write("\n")
        exact = not out.terminal
        out.rows(COLUMNS, [[c.text(column, exact) for c in COLUMNS] for column in info.columns])


@command.command(
    "query",
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
def query(session: Session, sql: str, form: str | None, output: Path | None, rows: int) -> None:
    """Ask tables a question in SQL, and get the rows.

    A table is written SPACE.NAME. Rows stream: a result may be larger than the memory. Arrow is the
    IPC stream format.
    """
    from klarity_storage.cli._rows import Query, write_rows

    session.interrupted = "Nothing was changed."
    write_rows(Query(session.connect().sql(sql), form, output, rows), session.out)


def _facts(info: TableInfo, out: Output) -> dict[str, str]:
    exact = not out.terminal
    return {
        "table": f"{info.space}/tables/{info.name}",
        "in sql": f"{info.space}.{info.name}",
        "about": info.description,
        "version": str(info.version),
        "holds": f"{_rows(info)} in {_format.things(info.files, 'file')}, "
        f"{_format.size(info.bytes)}",
        "created": _format.moment(info.created_at, exact),
        "changed": _format.moment(info.updated_at, exact),
        "partitions": ", ".join(info.partitions),
        "metadata": "\n".join(f"{key}={value}" for key, value in info.metadata.items()),
    }


def _rows(info: TableInfo) -> str:
    return "an unknown number of rows" if info.rows is None else _format.things(info.rows, "row")
