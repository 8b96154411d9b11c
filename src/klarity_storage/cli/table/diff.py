"""``ks table diff``."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Command
from klarity_storage.cli._session import Session, pass_session

if TYPE_CHECKING:
    from datafusion import DataFrame


@click.command(
    "diff",
    cls=Command,
    examples=["ks table diff vision/tables/runs", "ks table diff vision/tables/runs --key run"],
)
@click.argument("reference")
@click.option(
    "--key",
    "keys",
    metavar="COLUMN",
    multiple=True,
    help="What tells one row from another; repeatable. Without it a changed row is two rows.",
)
@click.option(
    "--rows", type=click.IntRange(min=0), default=20, show_default=True,
    help="Rows of each kind to show.",
)  # fmt: skip
@pass_session
def command(session: Session, reference: str, keys: tuple[str, ...], rows: int) -> None:
    """Show which rows of a sandbox differ from the version that it began as."""
    found = session.connect().diff_table(reference, keys)
    summary = found.summary()
    out = session.out
    told = f"{summary.added} added, {summary.removed} removed, {summary.changed} changed"
    if out.json or out.quiet:
        out.result(summary, told)
        return
    out.say(f"{reference}, since version {summary.base}: {told}.")
    for sign, count, frame in (
        ("+", summary.added, found.added),
        ("-", summary.removed, found.removed),
        ("~", summary.changed, found.changed),
    ):
        if count and rows:
            _show(session, sign, count, frame(), rows)


def _show(session: Session, sign: str, count: int, frame: DataFrame, rows: int) -> None:
    shown = islice(_rows(frame.limit(rows)), rows)
    session.out.write("".join(f"{sign} {_format.harmless(str(row))}\n" for row in shown))
    if count > rows:
        more = _format.things(count - rows, "more row")
        session.out.write(f"{sign} … {more}\n")


def _rows(frame: DataFrame) -> list[dict[str, object]]:
    found: list[dict[str, object]] = frame.to_pylist()
    return found
