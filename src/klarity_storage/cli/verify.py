"""``ks verify``."""

from __future__ import annotations

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Command
from klarity_storage.cli._output import Column
from klarity_storage.cli._progress import Transfer
from klarity_storage.cli._session import Session, pass_session

COLUMNS = (
    Column("problem"),
    Column("path", whole=True),
    Column("version", lambda damage: damage.version, whole=True),
    Column("object", lambda damage: damage.object or "several", loose=True),
)


@click.command(
    "verify",
    cls=Command,
    examples=["ks verify vision/datasets/cats@prod", "ks verify vision/datasets/cats"],
)
@click.argument("target")
@pass_session
def command(session: Session, target: str) -> None:
    """Read every byte back and hold it against its digest.

    TARGET is a version (SPACE/KIND/NAME@TAG-OR-HASH), a name with all its versions, or a space.
    Each damaged or missing file is named; then the exit code is 6.
    """
    from klarity_storage.errors import IntegrityError

    session.interrupted = "What was not read yet is not verified."
    with Transfer(session.out) as transfer:
        found = session.connect().verify(target, progress=transfer)
    if session.out.json:
        session.out.document(found)
    elif session.out.quiet:
        for damage in found.damaged:
            session.out.write(f"{_format.plain(f'ks://{damage.version}/{damage.path}')}\n")
    elif found.damaged:
        exact = not session.out.terminal
        session.out.rows(COLUMNS, [[c.text(d, exact) for c in COLUMNS] for d in found.damaged])
    if found.damaged:
        raise IntegrityError(
            f"{_format.things(len(found.damaged), 'file')} of {target} cannot be read as pushed.",
            hint="Push the same files again from where they are whole; ks log tells who pushed.",
        )
    session.out.say(
        f"Verified {target}: {_format.things(found.files, 'file')} of "
        f"{_format.things(found.versions, 'version')}, {_format.size(found.bytes)} "
        f"in {_format.duration(transfer.seconds)}; nothing is damaged."
    )
