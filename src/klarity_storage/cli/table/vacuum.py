"""``ks table vacuum``."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Command
from klarity_storage.cli._output import Column
from klarity_storage.cli._parameters import Duration
from klarity_storage.cli._session import Session, pass_session

if TYPE_CHECKING:
    from klarity_storage.protocol.tables import Vacuumed

COLUMNS = (
    Column("size", form=_format.size, right=True),
    Column("written", lambda item: item.modified, _format.moment),
    Column("path", whole=True),
)


@click.command(
    "vacuum",
    cls=Command,
    examples=[
        "ks table vacuum vision/tables/runs",
        "ks table vacuum --delete --yes --keep 30d vision/tables/runs",
    ],
)
@click.argument("reference")
@click.option("--delete", is_flag=True, help="Delete them, after listing them.")
@click.option("--keep", type=Duration(), help="How far back versions stay readable: 30d, 12h.")
@click.option("--force", is_flag=True, help="Keep less than the table says, a week mostly.")
@click.option("--message", "-m", default="", help="Why: one sentence for the table's history.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_session
def command(  # noqa: PLR0917 - click passes them all by name
    session: Session,
    reference: str,
    delete: bool,
    keep: int | None,
    force: bool,
    message: str,
    yes: bool,
) -> None:
    """List files that only old versions of a table need, and delete them when asked to.

    Nothing is deleted without --delete. Versions whose files are deleted cannot be read or restored
    any more; who did what stays in the history.
    """

    def run(*, dry_run: bool) -> Vacuumed:
        return session.connect().vacuum(
            reference,
            keep=None if keep is None else timedelta(seconds=keep),
            dry_run=dry_run,
            force=force,
            message=message,
        )

    listed = run(dry_run=True)
    if not delete or not session.out.silent:
        _show(session, reference, listed, "will be" if delete else "can be")
    if not delete:
        return
    count, size = _format.things(listed.files, "file"), _format.size(listed.bytes)
    if listed.files:
        session.out.confirm(f"Delete {count}, {size}, for ever?", yes=yes)
    session.interrupted = "What was not deleted yet is found again: run the same command."
    done = run(dry_run=False)
    if session.out.json:
        session.out.document(done)
    count, size = _format.things(done.files, "file"), _format.size(done.bytes)
    session.out.say(f"Deleted {count}, {size}.")


def _show(session: Session, reference: str, found: Vacuumed, what: str) -> None:
    out = session.out
    if out.json:
        out.document(found)
        return
    if out.quiet:
        out.write("".join(f"{_format.plain(item.path)}\n" for item in found.items))
        return
    if found.items:
        rows = [[c.text(i, not out.terminal) for c in COLUMNS] for i in found.items]
        out.rows(COLUMNS, rows)
    count, size = _format.things(found.files, "file"), _format.size(found.bytes)
    out.say(f"{count}, {size}, of {reference} {what} freed.")
