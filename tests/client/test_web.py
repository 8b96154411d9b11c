"""What is compressed when a front end is published, and what is not compressed again."""

from __future__ import annotations

from pathlib import Path

import pytest

import klarity_storage as ks
from conftest import PlantTree
from klarity_storage.versions.encoded import Coding, compress
from klarity_storage.versions.progress import Progress

TEXT = b"export const answer = 42;\n" * 400
APP = "web/kd-front"


@pytest.fixture
def compressed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What is compressed, as it is."""
    seen: list[bytes] = []

    def noting(data: bytes) -> dict[Coding, bytes]:
        seen.append(data)
        return compress(data)

    monkeypatch.setattr("klarity_storage.client.bundle.compress", noting)
    return seen


def test_only_what_is_new_is_compressed(
    tmp_path: Path, plant: PlantTree, compressed: list[bytes]
) -> None:
    told: list[Progress] = []
    tree = {"index.html": b"<p>", "a.js": TEXT, "b.js": TEXT + b"//", "same.js": TEXT}
    with ks.connect(tmp_path / "store") as storage:
        storage.publish_web(APP, plant(tree, "one"), progress=told.append)
        assert sorted(compressed) == sorted([TEXT, TEXT, TEXT + b"//"])
        assert [p.done_files for p in told if p.phase == "compressing"][-1] == 3
        compressed.clear()
        storage.publish_web(APP, plant(tree | {"b.js": TEXT + b"!"}, "two"))
        assert compressed == [TEXT + b"!"]
        compressed.clear()
        storage.publish_web(APP, plant(tree | {"b.js": TEXT + b"!"}, "two"))
        assert compressed == []  # it is the latest already


def test_forms_that_do_not_fit_are_made_anew(
    tmp_path: Path, plant: PlantTree, compressed: list[bytes]
) -> None:
    with ks.connect(tmp_path / "store") as storage:
        storage.publish_web(APP, plant({"index.html": b"<p>", "a.js": TEXT}, "one"))
        (forms,) = (tmp_path / "store").rglob("encoded-*.bin")
        good = forms.read_bytes()
        forms.write_bytes(bytes(len(good)))
        compressed.clear()
        storage.publish_web(APP, plant({"index.html": b"<p>2", "a.js": TEXT}, "two"))
        assert compressed == [TEXT]
        again = {each.read_bytes() for each in (tmp_path / "store").rglob("encoded-*.bin")}
        assert good in again
