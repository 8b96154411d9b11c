"""``ks raw``: binaries beside the rows of a table."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Group
from klarity_storage.cli._output import Column
from klarity_storage.cli._session import Session, pass_session
from klarity_storage.protocol.binaries import (
    DeletedBinaries,
    PushedBinaries,
    RawFile,
    RawFileList,
    RawRow,
    RawRowList,
)

ROWS = (Column("row", whole=True),)
FILES = (
    Column("name", whole=True),
    Column("size", form=_format.size, right=True),
    Column("type", lambda file: file.media_type),
)


@click.group("raw", cls=Group)
def command() -> None:
    """Binaries of a table's rows: push, ls, pull, rm."""


@command.command(
    "push",
    examples=[
        "ks raw push vision/tables/runs 812 net.bin",
        "ks raw push vision/tables/runs 813 net.bin runs.csv",
    ],
)
@click.argument("table")
@click.argument("row")
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, exists=True),
)
@pass_session
def push(session: Session, table: str, row: str, files: tuple[Path, ...]) -> None:
    """Put files beside a row; one of the same name is replaced.

    ROW is the value of the column that the table's metadata names as klarity.row_index, or any
    integer or text.
    """
    session.interrupted = "Some files may be missing: run the same command again."
    done = session.connect().push_raw_binary(table, row, list(files))
    told = f"Sent {_format.things(done.files, 'file')}, {_format.size(done.bytes)}"
    there = f"; {_format.things(done.kept, 'file')} were there already" if done.kept else ""
    document = PushedBinaries(files=done.files, bytes=done.bytes, kept=done.kept)
    session.out.result(document, "", f"{told}{there}.")


@command.command(
    "ls",
    examples=[
        "ks raw ls vision/tables/runs",
        "ks raw ls vision/tables/runs 812",
        "ks raw ls vision/tables/runs --limit 100 --after 812",
    ],
)
@click.argument("table")
@click.argument("row", required=False)
@click.option("--limit", type=click.IntRange(min=1), help="At most so many rows.")
@click.option("--after", metavar="ROW", help="Go on behind that row, in the order of storage.")
@pass_session
def ls(session: Session, table: str, row: str | None, limit: int | None, after: str | None) -> None:
    """List the rows that have binaries, or the binaries of a row.

    All rows come sorted. With --limit or --after they come as storage has them, page by page.
    """
    storage = session.connect()
    if row is None:
        if limit is None and after is None:
            found = storage.list_raw_binaries(table)
        else:
            found = list(islice(storage.iterate_raw_binaries(table, after), limit))
        rows = [RawRow(row=each) for each in found]
        session.out.listing(
            RawRowList(items=rows),
            ROWS,
            line=lambda each: str(each.row),
            empty=f"No row has binaries. Put some there with: ks raw push {table} ROW FILE",
        )
        return
    files = [
        RawFile(name=file.name, size=file.size, media_type=file.media_type)
        for file in storage.get_raw_binary(table, row)
    ]
    session.out.listing(RawFileList(items=files), FILES, line=lambda file: file.name, empty="")


@command.command(
    "pull",
    examples=[
        "ks raw pull vision/tables/runs 812 ./scans",
        "ks raw pull vision/tables/runs 812 ./scans --name net.bin",
    ],
)
@click.argument("table")
@click.argument("row")
@click.argument("destination", metavar="DIRECTORY", type=click.Path(path_type=Path))
@click.option("--name", "names", multiple=True, help="Only this file; repeatable.")
@pass_session
def pull(session: Session, table: str, row: str, destination: Path, names: tuple[str, ...]) -> None:
    """Write the binaries of a row into a directory, each verified."""
    from klarity_storage.errors import FileMissingError

    session.interrupted = "Some files may be missing: run the same command again."
    found = session.connect().get_raw_binary(table, row)
    for name in set(names) - {file.name for file in found}:
        raise FileMissingError(
            f"The row {row} of {table} has no binary {name!r}.", hint=f"ks raw ls {table} {row}"
        )
    chosen = [file for file in found if not names or file.name in names]
    for file in chosen:
        file.download(destination / file.name)
    items = [RawFile(name=f.name, size=f.size, media_type=f.media_type) for f in chosen]
    told = f"Pulled {_format.things(len(chosen), 'file')} of row {row}."
    session.out.result(RawFileList(items=items), str(destination), told)


@command.command("rm", examples=["ks raw rm vision/tables/runs 813 --yes"])
@click.argument("table")
@click.argument("rows", metavar="ROW...", nargs=-1, required=True)
@click.option("--name", "names", multiple=True, help="Only this file of them; repeatable.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_session
def rm(
    session: Session, table: str, rows: tuple[str, ...], names: tuple[str, ...], yes: bool
) -> None:
    """Delete binaries of rows; takes an owner, and cannot be undone."""
    session.out.confirm(f"Delete binaries of {', '.join(rows)} of {table}?", yes=yes)
    count = session.connect().delete_raw_binary(table, rows, names or None)
    session.out.result(
        DeletedBinaries(files=count), "", f"Deleted {_format.things(count, 'file')}."
    )
