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
        "ks pull ks://vision/datasets/cats@latest/train ./train",
        "ks pull vision/datasets/cats ./texts --include '*.txt' --exclude 'test/*'",
    ],
)
@click.argument("reference")
@click.argument("destination", metavar="DIRECTORY", type=click.Path(path_type=Path))
@click.option("--include", "-i", multiple=True, metavar="GLOB", help="Only such paths; repeatable.")
@click.option("--exclude", "-x", multiple=True, metavar="GLOB", help="No such paths; repeatable.")
@click.option("--keep", is_flag=True, help="Keep what is fetched in the cache of this machine.")
@pass_session
def command(
    session: Session,
    /,
    *,
    reference: str,
    destination: Path,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    keep: bool,
) -> None:
    """Write the files of a version into a directory.

    REFERENCE is SPACE/KIND/NAME, which means the latest version, or SPACE/KIND/NAME@TAG-OR-HASH.
    ks://SPACE/KIND/NAME@VERSION/PATH is one file of it, or one folder, written by the paths in it.
    Every file is checked against its SHA-256. Files that are there already stay, so a pull that was
    stopped goes on where it was.

    A GLOB is compared with the whole path in the version: * stands for any characters, / among
    them, so 'train/*' is everything below train, and '*.tmp' such files in every folder.
    """
    from klarity_storage.layout import Reference

    parsed = Reference.parse(reference.rstrip("/"))
    session.interrupted = "Some files may be missing: run the same command again."
    version = session.connect().get_version(str(Reference(parsed.name, parsed.selector)))
    with Transfer(session.out) as transfer:
        folder = version.download(
            destination,
            parsed.path,
            include=include,
            exclude=exclude,
            keep=keep,
            progress=transfer,
        )
    transfer.summary(f"Pulled {reference}")
    session.out.result(version.info, str(folder))
