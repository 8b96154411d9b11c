"""``ks gc``."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Command
from klarity_storage.cli._output import Column
from klarity_storage.cli._parameters import Duration
from klarity_storage.cli._session import Session, pass_session

if TYPE_CHECKING:
    from klarity_storage.protocol.versions import GarbageObject

COLUMNS = (
    Column("reason"),
    Column("size", form=_format.size, right=True),
    Column("written", lambda item: item.modified, _format.moment),
    Column("key", whole=True),
)


@click.command(
    "gc",
    cls=Command,
    examples=[
        "ks gc vision/datasets/cats",
        "ks gc --delete --yes --grace 2d vision/datasets/cats",
        "ks gc --why vision/datasets/cats@latest",
    ],
)
@click.argument("target")
@click.option("--delete", is_flag=True, help="Delete it, after listing it.")
@click.option(
    "--grace",
    type=Duration(),
    default="1d",
    show_default=True,
    help="Leave alone what was written, or whose version was deleted, since: 12h, 2d, 0.",
)
@click.option("--why", is_flag=True, help="Say why TARGET, a version or an object's key, is kept.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_session
def command(session: Session, target: str, delete: bool, grace: int, why: bool, yes: bool) -> None:
    """List what no version refers to, and delete it when asked to.

    TARGET is a name (SPACE/KIND/NAME) or a space. Nothing is deleted without --delete. Uploads that
    never came to a commit are garbage too, once they are older than the grace period; so is what a
    server's engine keeps of one that was stopped within a file (reason: upload).
    """
    if why:
        _why(session, target)
        return
    listed = _run(session, target, grace, dry_run=True)
    if not delete:
        _show(session, target, listed, "can be freed")
        return
    if not session.out.silent:
        _show(session, target, listed, "will be freed")
    if listed["objects"]:
        count, size = _format.things(listed["objects"], "object"), _format.size(listed["bytes"])
        session.out.confirm(f"Delete {count}, {size}, for ever?", yes=yes)
    session.interrupted = "What was not deleted yet is found again: run the same command."
    done = _run(session, target, grace, dry_run=False)
    if session.out.json:
        session.out.document(done)
    count, size = _format.things(done["objects"], "object"), _format.size(done["bytes"])
    session.out.say(f"Deleted {count}, {size}.")


def _run(session: Session, target: str, grace: int, *, dry_run: bool) -> dict[str, Any]:
    found = session.connect().collect_garbage(
        target, grace=timedelta(seconds=grace), dry_run=dry_run
    )
    total: dict[str, Any] = {"dry_run": dry_run, "objects": 0, "bytes": 0, "young": 0}
    items: list[GarbageObject] = []
    for _, garbage in found:
        total["objects"] += garbage.objects
        total["bytes"] += garbage.bytes
        total["young"] += garbage.young
        items += garbage.items
    return total | {"items": items}


def _show(session: Session, target: str, total: dict[str, Any], what: str) -> None:
    out = session.out
    if out.json:
        out.document(total)
        return
    if out.quiet:
        out.write("".join(f"{_format.plain(item.key)}\n" for item in total["items"]))
        return
    if total["items"]:
        rows = [[c.text(i, not out.terminal) for c in COLUMNS] for i in total["items"]]
        out.rows(COLUMNS, rows)
    rest = total["objects"] - len(total["items"])
    more = f" ({rest:,} of them not listed)" if rest else ""
    count, size = _format.things(total["objects"], "object"), _format.size(total["bytes"])
    young = f"; {_format.things(total['young'], 'object')} too young" if total["young"] else ""
    out.say(f"{count}{more}, {size}, of {target} {what}{young}.")


def _why(session: Session, target: str) -> None:
    found = session.connect().why(target)
    told = "It is kept." if found.kept else "It is not kept."
    session.out.result(found, "\n".join(found.because), told)
