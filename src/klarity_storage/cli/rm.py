"""``ks rm``."""

from __future__ import annotations

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Command
from klarity_storage.cli._session import Session, pass_session
from klarity_storage.errors import InvalidInputError
from klarity_storage.layout import Kind, Reference


@click.command(
    "rm",
    cls=Command,
    examples=["ks rm --yes --untag vision/datasets/cats@prod", "ks rm --yes vision/tables/notes"],
)
@click.argument("reference")
@click.option("--reason", "-m", default="", help="Why, in one line.")
@click.option("--untag", is_flag=True, help="Delete it with the tags that stand for it.")
@click.option("--unpin", is_flag=True, help="Delete it although a deployment shows it.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_session
def command(
    session: Session, /, *, reference: str, reason: str, untag: bool, unpin: bool, yes: bool
) -> None:
    """Delete a version, whose bytes stay until `ks gc`; or a table.

    REFERENCE says which: SPACE/KIND/NAME@TAG-OR-HASH. Until its bytes are collected, a push of the
    same files brings it back without an upload. A table, SPACE/tables/NAME, goes for ever, with all
    its versions and the binaries of its rows.
    """
    if Reference.parse(reference).name.kind is Kind.TABLES:
        if reason or untag or unpin:
            raise InvalidInputError(
                "A table is dropped with its history: it takes no --reason, --untag or --unpin."
            )
        _drop(session, reference, yes=yes)
        return
    session.out.confirm(f"Delete the version {reference}?", yes=yes)
    session.connect().delete(reference, reason=reason, untag=untag, unpin=unpin)
    session.out.result({"deleted": reference}, "", f"Deleted {reference}.")
    name = reference.removeprefix("ks://").partition("@")[0]
    session.out.hint(f"ks gc {name} lists what can be freed.")


def _drop(session: Session, reference: str, *, yes: bool) -> None:
    storage = session.connect()
    found = storage.drop_table(reference)
    held = f"{_format.things(found.objects, 'object')}, {_format.size(found.bytes)}"
    session.out.confirm(f"Delete the table {reference}, {held}, for ever?", yes=yes)
    session.interrupted = "What was not deleted yet is found again: run the same command."
    done = storage.drop_table(reference, dry_run=False)
    session.out.result(done, "", f"Deleted {reference}: {held}.")
