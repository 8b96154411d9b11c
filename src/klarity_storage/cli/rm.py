"""``ks rm``."""

from __future__ import annotations

import click

from klarity_storage.cli._command import Command
from klarity_storage.cli._session import Session, pass_session


@click.command("rm", cls=Command, examples=["ks rm --yes --untag vision/datasets/cats@prod"])
@click.argument("reference")
@click.option("--reason", "-m", default="", help="Why, in one line.")
@click.option("--untag", is_flag=True, help="Delete it with the tags that stand for it.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_session
def command(session: Session, reference: str, reason: str, untag: bool, yes: bool) -> None:
    """Delete a version; its bytes stay until `ks gc`.

    REFERENCE says which: SPACE/KIND/NAME@TAG-OR-HASH. Until its bytes are collected, a push of the
    same files brings it back without an upload.
    """
    session.out.confirm(f"Delete the version {reference}?", yes=yes)
    session.connect().delete(reference, reason=reason, untag=untag)
    session.out.result({"deleted": reference}, "", f"Deleted {reference}.")
    name = reference.removeprefix("ks://").partition("@")[0]
    session.out.hint(f"ks gc {name} lists what can be freed.")
