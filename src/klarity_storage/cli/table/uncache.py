"""``ks table uncache``."""

from __future__ import annotations

import click

from klarity_storage.cli._command import Command
from klarity_storage.cli._session import Session, pass_session
from klarity_storage.protocol.base import Response


class Uncached(Response, frozen=True):
    table: str


@click.command("uncache", cls=Command, examples=["ks table uncache vision/tables/runs"])
@click.argument("reference")
@pass_session
def command(session: Session, reference: str) -> None:
    """Read and write a table at its place again, and take it off this disk."""
    session.connect().uncache_table(reference)
    session.out.result(Uncached(reference), "", f"{reference} is not cached here any more.")
