"""Batches on their way into a table: read once, converted as they pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from klarity_storage.errors import InvalidDataError, StorageError
from klarity_storage.tables.comments import comment_of
from klarity_storage.tables.delta_types import check_columns, delta_type, exact_cast
from klarity_storage.tables.partition import check_values

_ROWS = 65_536
"""In one batch: what is converted at a time, so that a frame in one piece does not double."""


class ArrowStream:
    """Rows in Delta's types, from a source that can be read once.

    Args:
        source: the schema of the batches as they come; of what its fields say beside their types,
            the comment stays.
        batches: the batches; what they raise is kept in ``failure``, because on its way through
            Arrow's C interface an exception becomes text.
        types: of columns that shall have another one than they come with.

    Raises:
        InvalidDataError: no columns, two of one name, or a type that Delta does not have.
    """

    def __init__(
        self,
        source: pa.Schema,
        batches: Iterable[pa.RecordBatch],
        types: Mapping[str, pa.DataType] | None = None,
    ) -> None:
        check_columns(source.names)
        chosen = types or {}
        self.schema = pa.schema(
            [
                pa.field(
                    field.name,
                    delta_type(chosen.get(field.name, field.type), field.name),
                    metadata=comment_of(field),
                )
                for field in source
            ]
        )
        self.failure: StorageError | None = None
        self._batches = batches

    def reader(
        self, target: pa.Schema | None = None, partitions: Sequence[str] = ()
    ) -> pa.RecordBatchReader:
        """The rows, once, with the target's columns in its order.

        Args:
            target: columns of the same names, each of the same or a wider type.
            partitions: columns whose values a path must be able to hold.
        """
        wanted = self.schema if target is None else target
        return pa.RecordBatchReader.from_batches(
            wanted, _pulled(self._converted(wanted, partitions))
        )

    def _converted(self, target: pa.Schema, partitions: Sequence[str]) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._batches:
                for start in range(0, batch.num_rows, _ROWS):
                    part = self._convert(batch.slice(start, _ROWS), target)
                    for name in partitions:
                        check_values(part.column(name), name)
                    yield part
        except StorageError as error:
            self.failure = error
            raise
        except Exception as error:  # a source is foreign code: it may raise anything
            self.failure = InvalidDataError(f"The data cannot be read: {error}.")
            raise self.failure from error

    def _convert(self, batch: pa.RecordBatch, target: pa.Schema) -> pa.RecordBatch:
        columns = []
        for field in target:
            exact = self.schema.field(field.name).type
            array = exact_cast(batch.column(field.name), exact, field.name)
            array = exact_cast(array, field.type, field.name)
            if not field.nullable and array.null_count:
                raise InvalidDataError(
                    f"The column {field.name!r} holds nulls, which the table does not allow there."
                )
            columns.append(array)
        return pa.RecordBatch.from_arrays(columns, schema=target)


def _pulled(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches, each read on a thread of its own while the one before is written.

    delta-rs pulls on a thread of its runtime, on which a source that is delta-rs itself panics.
    """
    with ThreadPoolExecutor(1) as reading:
        coming = reading.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = reading.submit(next, batches, None)
            yield batch
