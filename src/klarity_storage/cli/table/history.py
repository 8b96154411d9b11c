"""``ks table history``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Command
from klarity_storage.cli._session import Session, pass_session

if TYPE_CHECKING:
    from klarity_storage.protocol.tables import TableVersion


@click.command(
    "history",
    cls=Command,
    examples=["ks table history vision/tables/runs", "ks table history -n 1 vision/tables/runs"],
)
@click.argument("reference")
@click.option("--number", "-n", type=click.IntRange(min=1), help="So many at most.")
@pass_session
def command(session: Session, reference: str, number: int | None) -> None:
    """Show who changed a table, when, by what and from what, newest first."""
    from klarity_storage.protocol.tables import TableHistory

    found = session.connect().get_table_history(reference, limit=number)
    if session.out.json:
        session.out.document(TableHistory(items=found))
    elif session.out.quiet:
        session.out.write("".join(f"{entry.version}\n" for entry in found))
    else:
        exact = not session.out.terminal
        session.out.write("\n".join(_entry(entry, exact=exact) for entry in found))


def _entry(entry: TableVersion, *, exact: bool) -> str:
    when = f", {_format.moment(entry.time, exact)}" if entry.time else ""
    lines = [
        f"version {entry.version} ({entry.operation.lower()})",
        f"by      {entry.author or 'another program, which does not say'}{when}",
    ]
    for sign, rows, files, size in (
        ("+", entry.rows_added, entry.files_added, entry.bytes_added),
        ("-", entry.rows_removed, entry.files_removed, entry.bytes_removed),
    ):
        if files:
            told = [] if rows is None else [_format.things(rows, "row")]
            told.append(_format.things(files, "file"))
            told += [] if size is None else [_format.size(size)]
            lines.append(f"files   {sign} {', '.join(told)}")
    lines += [f"from    {reference}" for reference in entry.lineage]
    if entry.message:
        lines += ["", *(f"    {line}" for line in entry.message.splitlines())]
    return _format.harmless("\n".join(lines)) + "\n"
