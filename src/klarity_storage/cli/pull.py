"""``ks pull``."""

from __future__ import annotations

from pathlib import Path

import click

from klarity_storage.cli._command import Command
from klarity_storage.cli._progress import Transfer
from klarity_storage.cli._session import Session, pass_session


@click.command(
    "pull",
    cls=Command,
    examples=[
        "ks pull vision/datasets/cats ./cats-again",
        "ks pull vision/models/net@prod ./net",
    ],
)
@click.argument("reference")
@click.argument("destination", metavar="DIRECTORY", type=click.Path(path_type=Path))
@pass_session
def command(session: Session, reference: str, destination: Path) -> None:
    """Write the files of a version into a directory.

    REFERENCE is SPACE/KIND/NAME, which means the latest version, or SPACE/KIND/NAME@TAG-OR-HASH.
    Every file is checked against its SHA-256.
    """
    from klarity_storage.errors import InvalidReferenceError
    from klarity_storage.layout import Reference

    if (path := Reference.parse(reference).path) is not None:
        raise InvalidReferenceError(
            f"{reference!r} names the file {path!r}, and ks pull writes whole versions.",
            hint="Leave the path out.",
        )
    session.interrupted = "Some files may be missing: run the same command again."
    version = session.connect().get_version(reference)
    with Transfer(session.out) as transfer:
        folder = version.download(destination, progress=transfer)
    transfer.summary(f"Pulled {reference}")
    session.out.result(version.info, str(folder))
