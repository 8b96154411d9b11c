"""``ks table ls``."""

from __future__ import annotations

import click

from klarity_storage.cli._command import Command
from klarity_storage.cli._output import Column
from klarity_storage.cli._parameters import Pair
from klarity_storage.cli._session import Session, pass_session

TABLES = (Column("table", lambda t: f"{t.space}/tables/{t.name}", whole=True),
          Column("in sql", lambda t: f"{t.space}.{t.name}", whole=True))  # fmt: skip


@click.command(
    "ls",
    cls=Command,
    examples=[
        "ks table ls",
        "ks table ls vision --name 'r*'",
        "ks table ls --column score --metadata team=eyes",
    ],
)
@click.argument("space", default="all")
@click.option("--name", metavar="GLOB", help="Names that match.")
@click.option("--column", "columns", multiple=True, help="Tables that have it; repeatable.")
@click.option(
    "--metadata",
    type=Pair(),
    multiple=True,
    metavar="KEY=VALUE",
    help="Tables whose metadata says so; repeatable.",
)
@pass_session
def command(
    session: Session,
    /,
    *,
    space: str,
    name: str | None,
    columns: tuple[str, ...],
    metadata: tuple[tuple[str, str], ...],
) -> None:
    """List tables, of one space or of all."""
    from klarity_storage.protocol.tables import TableList

    tables = session.connect().get_data_tables(
        space, name, columns=columns, metadata=dict(metadata)
    )
    session.out.listing(
        TableList(items=tables),
        TABLES,
        line=lambda table: f"{table.space}/tables/{table.name}",
        empty="There is no such table. Make one with: ks table push SPACE/tables/NAME FILE",
    )
