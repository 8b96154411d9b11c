"""The files of a version as a document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, Self, TypeVar

from klarity_storage.cli import _format
from klarity_storage.protocol.base import Response

if TYPE_CHECKING:
    import pyarrow as pa

    from klarity_storage.cli._output import Output
    from klarity_storage.versions.manifest import FileInfo
    from klarity_storage.versions.select import Folder


MANY: Final = 2_000
"""Files that nobody reads one by one: they are written as they come, and make no table."""

COLUMNS: Final = ("path", "size", "sha256", "media_type", "role", "overlay_of")
_BATCH: Final = 10_000


class FileEntry(Response, frozen=True, kw_only=True, omit_defaults=True):
    path: str
    size: int
    """In bytes."""
    sha256: str
    media_type: str
    role: str | None = None
    """What it is to a viewer, where that was said: ``image``, ``overlay`` or ``table``."""
    overlay_of: str | None = None
    """The path of the image that an overlay lies on."""


class FileList(Response, frozen=True, kw_only=True):
    items: list[FileEntry]

    @classmethod
    def of(cls, files: Iterable[FileInfo]) -> Self:
        return cls(items=[_entry(FileEntry, file) for file in files])


class FolderEntry(Response, frozen=True, kw_only=True):
    """A file, or a folder, whose path ends in a slash and which has nothing else."""

    path: str
    size: int | None = None
    """In bytes."""
    sha256: str | None = None
    media_type: str | None = None
    role: str | None = None
    overlay_of: str | None = None


class FolderList(Response, frozen=True, kw_only=True):
    """What stands directly in one folder, the folders first."""

    items: list[FolderEntry]

    @classmethod
    def of(cls, folder: Folder) -> Self:
        folders = [FolderEntry(path=f"{path}/") for path in folder.folders]
        return cls(items=folders + [_entry(FolderEntry, file) for file in folder.files])


Entry = TypeVar("Entry", FileEntry, FolderEntry)


def _entry(kind: type[Entry], file: FileInfo) -> Entry:
    return kind(
        path=file.path,
        size=file.size,
        sha256=file.sha256,
        media_type=file.media_type,
        role=file.role,
        overlay_of=file.overlay_of,
    )


def shown_as(role: str | None, overlay_of: str | None) -> str:
    """What a file is to a viewer, as a push is told."""
    return f"{role} of {overlay_of}" if overlay_of else role or ""


def write_files(out: Output, table: pa.Table, *, long: bool) -> None:
    """Write many files: what a listing of few writes into a pipe, in bounded memory.

    Args:
        out: where to.
        table: the files, by path; of the columns ``COLUMNS`` the path alone where that is enough.
        long: with sizes, digests and types.
    """
    if out.json:
        _write_json(out, table)
    elif out.quiet or not long:
        out.write("" if out.quiet else "PATH\n")
        for (paths,) in _batches(table, "path"):
            out.write(_lines(paths))
    else:
        _write_long(out, table)


def _write_json(out: Output, table: pa.Table) -> None:
    import msgspec

    begin = '{"items":['
    for batch in _batches(table, *COLUMNS):
        rows = (dict(zip(COLUMNS, row, strict=True)) for row in zip(*batch, strict=True))
        items = (msgspec.convert(row, FileEntry) for row in rows)
        out.write(begin + msgspec.json.encode(list(items))[1:-1].decode())
        begin = ","
    out.write("]}\n")


def _write_long(out: Output, table: pa.Table) -> None:
    import pyarrow.compute as pc

    width = max(len("SIZE"), len(str(pc.max(table["size"]).as_py())))
    kinds = max(len("TYPE"), pc.max(pc.utf8_length(table["media_type"])).as_py())
    any_shown = table["role"].null_count < len(table)
    shown = max(map(len, ["SHOWN", *_shown(table)])) + 2 if any_shown else 0
    heading = f"{'SHOWN':{shown}}" if any_shown else ""
    out.write(f"{'SIZE':>{width}}  {'SHA256':64}  {'TYPE':{kinds}}  {heading}PATH\n")
    for batch in table.to_batches(max_chunksize=_BATCH):
        safe = _lines(batch["path"].to_pylist()).split("\n")[:-1]
        columns = (batch[name].to_pylist() for name in COLUMNS[1:4])
        rows = zip(safe, *columns, _shown(batch), strict=True)
        out.write(
            "".join(
                f"{s:>{width}}  {d:64}  {_format.plain(k):{kinds}}  {how:{shown}}{p}\n"
                for p, s, d, k, how in rows
            )
        )


def _shown(table: pa.Table | pa.RecordBatch) -> Iterator[str]:
    columns = (table[name].to_pylist() for name in COLUMNS[4:])
    return (_format.plain(shown_as(*row), exact=True) for row in zip(*columns, strict=True))


def _batches(table: pa.Table, *columns: str) -> Iterator[list[list[str]]]:
    for batch in table.select(columns).to_batches(max_chunksize=_BATCH):
        yield [batch[name].to_pylist() for name in columns]


def _lines(paths: list[str]) -> str:
    if "".join(paths).isprintable():  # nothing in them could drive a terminal
        return "\n".join(paths) + "\n"
    return "".join(f"{_format.plain(path, exact=True)}\n" for path in paths)
