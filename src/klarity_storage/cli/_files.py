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

COLUMNS: Final = ("path", "size", "sha256", "media_type")
_BATCH: Final = 10_000


class FileEntry(Response, frozen=True, kw_only=True):
    path: str
    size: int
    """In bytes."""
    sha256: str
    media_type: str


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


class FolderList(Response, frozen=True, kw_only=True):
    """What stands directly in one folder, the folders first."""

    items: list[FolderEntry]

    @classmethod
    def of(cls, folder: Folder) -> Self:
        folders = [FolderEntry(path=f"{path}/") for path in folder.folders]
        return cls(items=folders + [_entry(FolderEntry, file) for file in folder.files])


Entry = TypeVar("Entry", FileEntry, FolderEntry)


def _entry(kind: type[Entry], file: FileInfo) -> Entry:
    return kind(path=file.path, size=file.size, sha256=file.sha256, media_type=file.media_type)


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
        items = (
            FileEntry(path=path, size=size, sha256=sha256, media_type=kind)
            for path, size, sha256, kind in zip(*batch, strict=True)
        )
        out.write(begin + msgspec.json.encode(list(items))[1:-1].decode())
        begin = ","
    out.write("]}\n")


def _write_long(out: Output, table: pa.Table) -> None:
    import pyarrow.compute as pc

    width = max(len("SIZE"), len(str(pc.max(table["size"]).as_py())))
    kinds = max(len("TYPE"), pc.max(pc.utf8_length(table["media_type"])).as_py())
    out.write(f"{'SIZE':>{width}}  {'SHA256':64}  {'TYPE':{kinds}}  PATH\n")
    for paths, *others in _batches(table, *COLUMNS):
        safe = _lines(paths).split("\n")[:-1]
        rows = zip(safe, *others, strict=True)
        lines = (f"{s:>{width}}  {d:64}  {_format.plain(k):{kinds}}  {p}\n" for p, s, d, k in rows)
        out.write("".join(lines))


def _batches(table: pa.Table, *columns: str) -> Iterator[list[list[str]]]:
    for batch in table.select(columns).to_batches(max_chunksize=_BATCH):
        yield [batch[name].to_pylist() for name in columns]


def _lines(paths: list[str]) -> str:
    if "".join(paths).isprintable():  # nothing in them could drive a terminal
        return "\n".join(paths) + "\n"
    return "".join(f"{_format.plain(path, exact=True)}\n" for path in paths)
