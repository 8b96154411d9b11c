"""The part of ``Storage`` that keeps binaries beside the rows of a table."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from klarity_storage.client.raw_binary import RawBinary
from klarity_storage.client.references import table_name
from klarity_storage.client.table import Table
from klarity_storage.client.table_places import TablePlaces, name_of
from klarity_storage.errors import InvalidInputError
from klarity_storage.layout import Name
from klarity_storage.protocol.credentials import Operation

if TYPE_CHECKING:
    from klarity_storage.tables.binaries import Uploaded

ROW_INDEX = "klarity.row_index"
"""The metadata of a table that names the column by whose values its rows are known."""

RowIndex: TypeAlias = int | str
StrPath: TypeAlias = str | os.PathLike[str]
Files: TypeAlias = Sequence[StrPath | tuple[str, bytes]] | Mapping[str, bytes | StrPath]

_INTEGERS = {"byte", "short", "integer", "long"}
_BATCH = 500


class RawBinaries(TablePlaces):
    """What ``Storage`` does with binaries that belong to rows and not into Parquet.

    A row is known by an integer or a text: the value of the column that the table's metadata names
    under ``klarity.row_index``, or whatever the caller gives where it names none.
    """

    def push_raw_binary(
        self,
        table: Table | str,
        row_index: RowIndex | None = None,
        files: Files | None = None,
        *,
        rows: Mapping[RowIndex, Files] | None = None,
    ) -> Uploaded:
        """Put files beside rows of a table; a file of the same name is replaced.

        Each file appears whole or not at all; of several, a reader may see the first while the last
        is on its way. What is there already with the same content is not sent again, so a push that
        was stopped goes on where it was.

        Args:
            table: a table, or ``vision/tables/runs``.
            row_index: whose files they are.
            files: paths, which keep their last name, ``(name, bytes)``, or paths and bytes by name;
                a name may hold folders: ``slices/001.dcm``.
            rows: files by row, in place of ``row_index`` and ``files``.

        Raises:
            TableNotFoundError: there is no such table, or the caller may not see it.
            InvalidInputError: the index is not of the column's type.
            ForbiddenError: the caller may not write to the table.

        Example:
            >>> import klarity_storage as ks, tempfile
            >>> storage = ks.connect(tempfile.mkdtemp())
            >>> runs = storage.push_data_frame("vision/tables/runs", [{"id": 812}])
            >>> _ = storage.push_raw_binary(runs, 812, [("scan.dcm", b"DICM")])
            >>> storage.get_raw_binary(runs, 812)[0].read()
            b'DICM'
        """
        from klarity_storage.tables.binaries import Upload, put_files  # noqa: PLC0415 - loads Arrow

        given = rows if row_index is None or files is None else {row_index: files}
        if given is None or (rows is not None and (row_index, files) != (None, None)):
            raise InvalidInputError("Give a row_index and files, or rows.")
        name, kind = self._rows_of(table)
        self._check_at_reference(name)
        checked = {_checked(row, kind): list(_named(files)) for row, files in given.items()}
        uploads = (
            Upload(row, file, content) for row, files in checked.items() for file, content in files
        )
        return put_files(self._backend.binaries(name, write=True), name, uploads)

    def get_raw_binary(self, table: Table | str, row_index: RowIndex) -> list[RawBinary]:
        """The files of a row, by name; nothing is read yet.

        Raises:
            FileMissingError: the row has none.
            TableNotFoundError: there is no such table, or the caller may not see it.
        """
        from klarity_storage.tables.binaries import list_files, missing  # noqa: PLC0415

        name, kind = self._rows_of(table)
        row = _checked(row_index, kind)
        store = self._backend.binaries(name, write=False)
        found = [RawBinary(store, name, row, *file) for file in list_files(store, name, row)]
        if not found:
            raise missing(name, row)
        return found

    def list_raw_binaries(self, table: Table | str) -> list[RowIndex]:
        """The rows that have binaries; no file is looked at.

        Integers where the table's row index is one, or where it names none and they read like one.
        """
        from klarity_storage.tables.binaries import list_rows  # noqa: PLC0415

        name, kind = self._rows_of(table)
        rows = list_rows(self._backend.binaries(name, write=False), name)
        return sorted(
            (_read(row, kind) for row in rows), key=lambda row: (isinstance(row, str), row)
        )

    def iterate_raw_binaries(
        self, table: Table | str, after: RowIndex | None = None
    ) -> Iterator[RowIndex]:
        """The same rows one after another, in the order of storage; a page is listed at a time.

        Args:
            table: a table, or ``vision/tables/runs``.
            after: begin behind this row, which need not be there.
        """
        from klarity_storage.tables.binaries import rows_after  # noqa: PLC0415

        name, kind = self._rows_of(table)
        last = None if after is None else _checked(after, kind)
        for row in rows_after(self._backend.binaries(name, write=False), name, last):
            yield _read(row, kind)

    def delete_raw_binary(
        self,
        table: Table | str,
        row_index: RowIndex | Iterable[RowIndex],
        names: Iterable[str] | None = None,
    ) -> int:
        """Delete the files of a row or of several, or those of these names; takes an owner.

        Returns:
            How many files there were.

        Raises:
            ForbiddenError: the caller is no owner of the table.
        """
        name, kind = self._rows_of(table)
        self._check_at_reference(name)
        several = [row_index] if isinstance(row_index, int | str) else row_index
        rows = [str(_checked(row, kind)) for row in several]
        wanted = None if names is None else list(names)
        return sum(
            self._backend.delete_binaries(name, rows[start : start + _BATCH], wanted)
            for start in range(0, len(rows), _BATCH)
        )

    def _rows_with_binaries(self, table: Table | str, *where: str) -> set[RowIndex]:
        """The rows of the table that have binaries, of those for which all conditions hold."""
        from klarity_storage.tables.scan import scan  # noqa: PLC0415 - loads DataFusion

        name = name_of(table)
        self._check_at_reference(name)
        column = self._backend.table(name).metadata.get(ROW_INDEX)
        if column is None:
            raise InvalidInputError(
                f"{name} does not say which column its rows are known by, so nobody can tell whose "
                "binaries would go.",
                hint=f"Push with metadata={{{ROW_INDEX!r}: COLUMN}}.",
            )
        having = set(self.list_raw_binaries(str(name)))
        if not having:
            return set()
        rows = scan(self._backend.locate(name, Operation.READ), *where, columns=[column])
        return {
            row
            for batch in rows.distinct().execute_stream()
            for row in batch.to_pyarrow().column(0).to_pylist()
            if row in having
        }

    def _rows_of(self, table: Table | str) -> tuple[Name, str | None]:
        """A table's name, and the type of the column that its rows are known by."""
        info = table.info if isinstance(table, Table) else self._backend.table(table_name(table))
        column = info.metadata.get(ROW_INDEX)
        kind = next((c.type for c in info.columns if c.name == column), None)
        if column is not None and kind not in {*_INTEGERS, "string"}:
            raise InvalidInputError(
                f"The rows of {info.space}/tables/{info.name} are known by {column!r}, which is no "
                "column of integers or texts.",
                hint=f"Push with metadata={{{ROW_INDEX!r}: COLUMN}}.",
            )
        return Table(info).name, kind


def _checked(row: RowIndex, kind: str | None) -> RowIndex:
    """The index as the table's column has it."""
    fits = {None: int | str, "string": str}.get(kind, int)
    if kind in _INTEGERS and isinstance(row, str) and str(_integer(row)) == row:
        row = int(row)  # from a command line or an address
    if isinstance(row, bool) or not isinstance(row, fits):
        raise InvalidInputError(
            f"{row!r} cannot be a row index: "
            + (f"that is a {kind}." if kind else "it is neither."),
            hint="Give an integer, or a text.",
        )
    return row


def _read(row: str, kind: str | None) -> RowIndex:
    number = _integer(row) if kind != "string" else None
    return number if number is not None and str(number) == row else row


def _integer(row: str) -> int | None:
    try:
        return int(row)
    except ValueError:
        return None


def _named(files: Files) -> Iterator[tuple[str, bytes | Path]]:
    if isinstance(files, str | bytes | os.PathLike):
        raise InvalidInputError("The files of a row are a list.", hint="Write [path].")
    if isinstance(files, Mapping):
        pairs: Iterable[tuple[str, bytes | StrPath]] = files.items()
    else:
        pairs = (
            file if isinstance(file, tuple) else (Path(file).name, Path(file)) for file in files
        )
    for name, content in pairs:
        whole = (
            bytes(content) if isinstance(content, bytes | bytearray | memoryview) else Path(content)
        )
        if isinstance(whole, Path) and not whole.is_file():
            raise InvalidInputError(f"There is no file {str(whole)!r}.", hint="Check the path.")
        yield name, whole
