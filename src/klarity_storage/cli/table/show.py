"""``ks table show``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Command
from klarity_storage.cli._output import Column, Output
from klarity_storage.cli._session import Session, pass_session
from klarity_storage.cli.table._counts import row_count

if TYPE_CHECKING:
    from klarity_storage.protocol.tables import TableInfo, TableVersion

COLUMNS = (
    Column("column", lambda column: column.name, whole=True),
    Column("type", whole=True),
    Column("null", lambda column: "" if column.nullable else "never"),
    Column("comment", loose=True),
)


@click.command("show", cls=Command, examples=["ks table show vision/tables/runs"])
@click.argument("reference")
@pass_session
def command(session: Session, reference: str) -> None:
    """Show a table's columns and what it holds."""
    storage = session.connect()
    info = storage.get_data_table(reference).info
    out = session.out
    last = [] if out.silent else storage.get_table_history(reference, limit=1)
    out.facts(info, _facts(info, last, out), line=f"{info.space}/tables/{info.name}")
    if not out.silent:
        out.write("\n")
        exact = not out.terminal
        out.rows(COLUMNS, [[c.text(column, exact) for c in COLUMNS] for column in info.columns])


def _facts(info: TableInfo, last: list[TableVersion], out: Output) -> dict[str, str]:
    exact = not out.terminal
    return {
        "table": f"{info.space}/tables/{info.name}",
        "in sql": f"{info.space}.{info.name}",
        "about": info.description,
        "version": str(info.version),
        "holds": f"{row_count(info)} in {_format.things(info.files, 'file')}, "
        f"{_format.size(info.bytes)}",
        "created": _format.moment(info.created_at, exact),
        "changed": _format.moment(info.updated_at, exact),
        "by": ", ".join(entry.author for entry in last),
        "why": ", ".join(entry.message for entry in last),
        "partitions": ", ".join(info.partitions),
        "metadata": "\n".join(f"{key}={value}" for key, value in info.metadata.items()),
    }
