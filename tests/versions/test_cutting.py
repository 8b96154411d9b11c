"""Large files are cut while they are hashed, and compared with their chunks when read again."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from threading import Event

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import klarity_storage as ks
from conftest import PlantTree
from klarity_storage.versions import cutting
from klarity_storage.versions.cutting import Chunks, Cuts, digest_and_cut
from klarity_storage.versions.digests import hash_all
from klarity_storage.versions.scan import scan_tree
from klarity_storage.versions.workers import Stopped

MIB = 1024 * 1024
DATA = random.Random(1).randbytes(11 * MIB)


@pytest.fixture(scope="module")
def cut() -> Chunks:
    from blake3 import blake3
    from pyfastcdc import FastCDC

    cuts = FastCDC(cutting.AVERAGE, normalized_chunking=1, seed=0).cut_buf(DATA)
    return Chunks((blake3(cut.data).digest(), cut.length) for cut in cuts)


def test_one_reading_gives_digest_and_chunks(plant: PlantTree, cut: Chunks) -> None:
    file = plant({"w": DATA}) / "w"
    seen: list[int] = []
    status, sha256, chunks = digest_and_cut(file, advance=seen.append)
    assert (status.st_size, sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())
    assert list(chunks) == list(cut)
    assert sum(seen) == len(DATA)


def test_chunks_are_a_sequence(cut: Chunks) -> None:
    listed = list(cut)
    assert len(cut) == len(listed) > 30
    assert cut[-1] == listed[-1]
    assert cut[3:9:2] == listed[3:9:2]
    with pytest.raises(IndexError):
        cut[len(listed)]


def test_cutting_ends_when_nobody_wants_it_any_more(plant: PlantTree) -> None:
    stop = Event()
    stop.set()
    with pytest.raises(Stopped):
        digest_and_cut(plant({"w": DATA}) / "w", stop=stop)


def test_a_file_that_grows_while_it_is_cut_is_refused(plant: PlantTree) -> None:
    file = plant({"w": DATA}) / "w"

    def grow(_: int) -> None:
        with file.open("ab") as stream:
            stream.write(b"more")

    with pytest.raises(ks.SourceChangedError, match="changed while it was pushed"):
        digest_and_cut(file, advance=grow)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(part=st.integers(1 << 16, 13 * MIB), at=st.integers(0, len(DATA) - 1))
def test_parts_of_any_size_are_handed_over_unless_a_byte_changed(
    cut: Chunks, part: int, at: int
) -> None:
    parts = [DATA[start : start + part] for start in range(0, len(DATA), part)]
    assert b"".join(cut.verified(iter(parts), "w")) == DATA
    wrong = parts[at // part]
    parts[at // part] = wrong[: at % part] + bytes([wrong[at % part] ^ 1]) + wrong[at % part + 1 :]
    with pytest.raises(ks.SourceChangedError):
        list(cut.verified(iter(parts), "w"))


@pytest.mark.parametrize("data", [b"", DATA[:-1], DATA[: 4 * MIB], DATA + b"x"], ids=len)
def test_another_length_is_a_change(cut: Chunks, data: bytes) -> None:
    with pytest.raises(ks.SourceChangedError):
        list(cut.verified(iter([data] if data else []), "w"))


def test_what_was_cut_while_it_was_hashed_is_not_read_again(plant: PlantTree) -> None:
    root = plant({"small": b"1", "w": DATA})
    cuts = Cuts()
    _, (source, file) = hash_all(scan_tree(root), None, cuts=cuts)
    Path(source.location).unlink()
    assert sum(length for _, length in cuts.of(source, file.sha256)) == len(DATA)


def test_what_was_not_cut_is_cut_when_it_is_asked_for(
    plant: PlantTree, cut: Chunks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutting, "_MOST", 3)
    root = plant({"w": DATA})
    cuts = Cuts()
    [(source, file)] = hash_all(scan_tree(root), None, cuts=cuts)
    assert list(cuts.of(source, file.sha256)) == list(cut)
    Path(source.location).write_bytes(b"other")
    with pytest.raises(ks.SourceChangedError):
        cuts.of(source, file.sha256)
