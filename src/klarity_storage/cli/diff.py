"""``ks diff``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Command
from klarity_storage.cli._output import Column, Output
from klarity_storage.cli._session import Session, pass_session

if TYPE_CHECKING:
    from klarity_storage.versions.diff import Diff

COLUMNS = (
    Column("change"),
    Column("size", form=_format.size, right=True),
    Column("was", lambda file: file.old_size, _format.size, right=True),
    Column("path", whole=True),
    Column("old path", whole=True),
)


@click.command(
    "diff",
    cls=Command,
    examples=[
        "ks diff vision/datasets/cats@prod vision/datasets/cats",
        "ks diff --json vision/datasets/cats@prod vision/datasets/cats",
    ],
)
@click.argument("old")
@click.argument("new")
@pass_session
def command(session: Session, old: str, new: str) -> None:
    """Show what differs between two versions.

    That is what became of the files of OLD in NEW; their names may differ. A renamed file has
    the content of one that is gone.
    """
    from klarity_storage.versions.diff import Change

    diff = session.connect().diff(old, new)
    if session.out.json:
        counts = {change.value: diff.count(change) for change in Change}
        total = {"new_bytes": diff.new_bytes(), "old_bytes": diff.old_bytes()}
        session.out.document(counts | total | {"items": list(diff)})
    elif session.out.quiet:
        for file in diff:
            session.out.write(f"{_format.plain(file.path)}\n")
    elif not len(diff):
        session.out.say("The two hold the same files.")
    else:
        _show(diff, session.out)


def _show(diff: Diff, out: Output) -> None:
    from klarity_storage.versions.diff import Change

    exact = not out.terminal
    blank = [i for i, column in enumerate(COLUMNS) if column.title in {"size", "was"}]
    rows = [[column.text(file, exact) for column in COLUMNS] for file in diff]
    for row in rows:
        for i in blank:
            row[i] = row[i].replace("?", "")  # what a file that is not there has no size of
    out.rows(COLUMNS, rows)
    counts = ", ".join(f"{diff.count(change):,} {change}" for change in Change)
    new, old = _format.size(diff.new_bytes()), _format.size(diff.old_bytes())
    out.say(f"{counts}; {new} came, {old} went.")
