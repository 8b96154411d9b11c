"""``ks table cached``."""

from __future__ import annotations

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Command
from klarity_storage.cli._output import Column
from klarity_storage.cli._session import Session, pass_session

COLUMNS = (
    Column("table", lambda t: f"{t.space}/tables/{t.name}", whole=True),
    Column("mode"),
    Column("version", lambda t: "" if t.version is None else t.version, right=True),
    Column("pinned", lambda t: "pinned" if t.pinned else ""),
    Column("size", lambda t: t.bytes, _format.size, right=True),
    Column("commits", right=True),
    Column("declared in", loose=True),
)


@click.command("cached", cls=Command, examples=["ks table cached"])
@pass_session
def command(session: Session) -> None:
    """List the tables that are read on this disk here, as the .safenai files say."""
    from klarity_storage.protocol.tables import CachedTableList

    session.out.listing(
        CachedTableList(items=session.connect().get_cached_tables()),
        COLUMNS,
        line=lambda table: f"{table.space}/tables/{table.name}",
        empty="No table is cached here. Keep one with: ks table cache SPACE/tables/NAME",
    )
