"""A large file is read where it is read, and verified where it can be."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import klarity_storage as ks
from klarity_storage.versions import read, seek
from klarity_storage.versions.manifest import FileInfo
from versions.support import file_info

DATA = random.Random(1).randbytes(1_000_000)
WRONG = ks.IntegrityError("wrong")


@pytest.fixture(autouse=True)
def _small_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seek, "BLOCK", 10_000)
        patch.setattr(seek, "KEPT", 12)
        yield


def opened(data: bytes = DATA, file: FileInfo | None = None) -> tuple[io.BufferedReader, list[int]]:
    asked: list[int] = []

    def fetch(start: int, end: int) -> bytes:
        assert 0 <= start < end <= len(data)
        asked.append(end - start)
        return data[start:end]

    whole = seek.SeekableFile.buffered(file or file_info("big", data), fetch, WRONG)
    assert isinstance(whole, io.BufferedReader)
    return whole, asked


def test_reading_from_front_to_back_takes_few_requests() -> None:
    whole, asked = opened()
    with whole:
        assert whole.read() == DATA
    assert sum(asked) == len(DATA)
    assert len(asked) < 20


def test_reading_here_and_there_fetches_little() -> None:
    whole, asked = opened()
    assert whole.seek(-8, io.SEEK_END) == len(DATA) - 8
    assert whole.read() == DATA[-8:]
    whole.seek(500_000)
    assert whole.read(10) == DATA[500_000:500_010]
    assert sum(asked) < 200_000
    assert whole.seekable()
    assert not whole.writable()


def test_what_was_kept_is_not_fetched_again_and_little_is_kept() -> None:
    whole, asked = opened()
    whole.read()
    whole.seek(len(DATA) - 5_000)
    before = len(asked)
    assert whole.read(5_000) == DATA[-5_000:]
    assert len(asked) == before
    raw = whole.raw
    assert isinstance(raw, seek.SeekableFile)
    assert len(raw._blocks) <= 12
    whole.seek(0)
    assert whole.read(10) == DATA[:10]
    assert len(asked) > before


@given(st.lists(st.tuples(st.integers(0, 1_100_000), st.integers(0, 50_000)), max_size=20))
@settings(deadline=None)
def test_it_reads_as_a_file_does(steps: list[tuple[int, int]]) -> None:
    whole, _ = opened()
    plain = io.BytesIO(DATA)
    for offset, size in steps:
        assert whole.seek(offset) == plain.seek(offset)
        assert whole.read(size) == plain.read(size)
        assert whole.tell() == plain.tell()


@pytest.mark.parametrize("at", [0, 555_555, len(DATA) - 1])
def test_wrong_bytes_are_told_before_the_last_of_them_is_handed_over(at: int) -> None:
    data = bytearray(DATA)
    data[at] ^= 1
    whole, _ = opened(bytes(data), file_info("big", DATA))
    got = 0
    with pytest.raises(ks.IntegrityError, match="wrong"):  # noqa: PT012
        while chunk := whole.read(7_000):
            got += len(chunk)
    assert got < len(DATA)
    with pytest.raises(ks.IntegrityError):
        whole.read(1)


def test_a_wrong_place_to_seek_to_is_refused() -> None:
    whole, _ = opened()
    with pytest.raises(ValueError, match="beginning"):
        whole.raw.seek(-1, 0)
    with pytest.raises(ValueError, match="whence"):
        whole.raw.seek(0, 9)


def test_a_large_file_of_a_version_is_not_fetched_whole(
    storage: ks.Storage, space: str, plant: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "VERIFIED_SIZE", 100_000)
    assert callable(plant)
    version = storage.push(f"{space}/datasets/cats", plant({"big": DATA, "small": b"1"}))
    with version.open("big") as whole:
        assert isinstance(whole, io.BufferedReader)
        whole.seek(400_000)
        assert whole.read(100) == DATA[400_000:400_100]
        whole.seek(0)
        assert whole.read() == DATA
    assert isinstance(version.open("small"), io.BytesIO)
