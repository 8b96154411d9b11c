"""``ks table cache``."""

from __future__ import annotations

from typing import Any

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Command
from klarity_storage.cli._session import Session, pass_session


@click.command(
    "cache",
    cls=Command,
    examples=[
        "ks table cache vision/tables/runs",
        "ks table cache vision/tables/runs --version 0",
        "ks table cache vision/tables/runs --mode sandbox",
        "ks table push vision/tables/runs runs.csv",
    ],
)
@click.argument("reference")
@click.option(
    "--mode",
    type=click.Choice(["ro", "sandbox"]),
    default="ro",
    show_default=True,
    help="A mirror, to read; or a table of your own, to write into.",
)
@click.option(
    "--version",
    type=click.IntRange(min=0),
    help="Which version: a mirror stays there, a sandbox begins there.",
)
@pass_session
def command(session: Session, reference: str, mode: Any, version: int | None) -> None:
    """Keep a table on this disk, where it is read from now on; again, it is refreshed.

    The choice is written into the nearest .safenai. What is written to a mirrored table goes to the
    table itself. What is written to a sandbox stays there until `ks table promote`.
    """
    session.interrupted = "What was there before is there still."
    done = session.connect().cache_table(reference, mode, version)
    what = "mirror" if mode == "ro" else "sandbox"
    new = _format.things(done.fetched_files, "new file")
    said = f"The {what} holds version {done.version}: {new}, {_format.size(done.fetched_bytes)}."
    if done.commits:
        commits = _format.things(done.commits, "commit")
        said = f"The sandbox stays at version {done.version}, with {commits} of its own."
    session.out.result(done, done.folder, said)
