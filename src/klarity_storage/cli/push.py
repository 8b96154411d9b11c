"""``ks push``."""

from __future__ import annotations

from pathlib import Path

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Command
from klarity_storage.cli._parameters import Pair, Showing
from klarity_storage.cli._progress import Transfer
from klarity_storage.cli._session import Session, pass_session


@click.command(
    "push",
    cls=Command,
    examples=[
        "ks push vision/datasets/cats ./cats -m 'First pictures'",
        "ks push vision/models/net ./net.bin --tag prod --lineage vision/datasets/cats@latest",
        "ks push vision/artefacts/report ./report --metadata run=12 --metadata by=nightly",
        (
            "ks push vision/artefacts/scan ./scan "
            "--display ct.png=image --display 'mask.png=overlay of ct.png'"
        ),
    ],
)
@click.argument("reference")
@click.argument("source", metavar="PATH", type=click.Path(exists=True, path_type=Path))
@click.option("--message", "-m", default="", help="Why: one sentence for the history.")
@click.option("--tag", "-t", "tags", multiple=True, help="Name the new version; repeatable.")
@click.option("--metadata", type=Pair(), multiple=True, help="Free text; repeatable.")
@click.option("--lineage", multiple=True, metavar="REF", help="What it was made from; repeatable.")
@click.option(
    "--display",
    type=Showing(),
    multiple=True,
    metavar="PATH=WHAT",
    help="What a file is to a viewer: image, table or 'overlay of PATH'; @FILE for a JSON object of"
    " such; repeatable.",
)
@click.option("--reread", is_flag=True, help="Read also files whose size and times did not change.")
@pass_session
def command(
    session: Session,
    /,
    *,
    reference: str,
    source: Path,
    message: str,
    tags: tuple[str, ...],
    metadata: tuple[tuple[str, str], ...],
    lineage: tuple[str, ...],
    display: tuple[dict[str, str], ...],
    reread: bool,
) -> None:
    """Make a new version out of a file or a directory.

    REFERENCE is SPACE/KIND/NAME, with artefacts, models or datasets as KIND. Content that is stored
    already is not uploaded again; pushing what is the latest version changes nothing.
    """
    from klarity_storage.layout import check_tag

    for tag in tags:
        check_tag(tag)  # before the upload, not after it
    session.interrupted = "Nothing was committed: run the same command again."
    storage = session.connect()
    with Transfer(session.out) as transfer:
        version = storage.push(
            reference,
            source,
            message=message,
            lineage=lineage,
            metadata=dict(metadata),
            display={path: what for each in display for path, what in each.items()}
            if display
            else None,
            progress=transfer,
            trust_stat=not reread,
        )
    for tag in tags:
        storage.tag(version.ref, tag)
    if tags:
        version = storage.get_version(version.ref)
    info = version.info
    transfer.summary(f"Pushed {info.space}/{info.kind}/{info.name}")
    shown = _format.digest(version.hash, exact=not session.out.terminal)
    session.out.result(info, f"{info.space}/{info.kind}/{info.name}@{shown}")
