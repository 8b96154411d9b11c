"""Arrow arrays of plain texts and numbers, made from buffers.

``pa.array`` of a list, ``pa.scalar``, and a number of Python as an argument of ``pyarrow.compute``
all load pandas where it is installed, half a second and 60 MiB; these do not.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import accumulate

import pyarrow as pa


def text_array(texts: Iterable[str | None]) -> pa.StringArray:
    """An array of strings and nulls, up to 2 GiB of them."""
    data = [None if text is None else text.encode() for text in texts]
    there = None
    if None in data:
        there = bit_array(text is not None for text in data).buffers()[1]
    borders = array("i", accumulate((len(text or b"") for text in data), initial=0))
    buffers = [there, pa.py_buffer(borders), pa.py_buffer(b"".join(text or b"" for text in data))]
    return pa.Array.from_buffers(pa.string(), len(data), buffers)


def null_array(length: int) -> pa.StringArray:
    """An array of strings that are not there."""
    return text_array([None] * length)


def shared_texts(texts: pa.StringArray) -> list[str]:
    """The strings of an array, those that are equal one object."""
    coded = texts.dictionary_encode()
    each = coded.dictionary.to_pylist()
    return [each[code] for code in coded.indices.to_pylist()]


def number_array(numbers: Iterable[int]) -> pa.Int64Array:
    """An array of 64-bit integers."""
    data = array("q", numbers)
    return pa.Array.from_buffers(pa.int64(), len(data), [None, pa.py_buffer(data)])


def bit_array(bits: Iterable[bool]) -> pa.BooleanArray:
    """An array of truth values."""
    data = bytearray(bits)
    return pa.Array.from_buffers(pa.int8(), len(data), [None, pa.py_buffer(data)]).cast(pa.bool_())


def list_array(values: pa.Array, lengths: Iterable[int], kind: pa.ListType) -> pa.ListArray:
    """Values in lists of these lengths, one behind the other."""
    borders = array("i", accumulate(lengths, initial=0))
    buffers = [None, pa.py_buffer(borders)]
    return pa.Array.from_buffers(kind, len(borders) - 1, buffers, children=[values])
