"""Versions of some files, for the tests of nginx."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nginx_fixture import Site

SLICE = 4 << 20
"""Bytes that nginx fetches at once."""

LARGE = bytes(range(256)) * (2 * SLICE // 256) + b"the end"
FILES = {
    "a.txt": b"The quick brown fox jumps over the lazy dog.\n",
    "empty": b"",
    "page.html": b"<script>alert(1)</script>",
    "train/Z\u00fcrich 1.png": b"\x89PNG" + bytes(4096),
    "100%.bin": b"percent",
    "a+b&c;d=e.json": b"{}",
    "large.bin": LARGE,
}


@dataclass(frozen=True)
class Pushed:
    """A version, and where its files are."""

    name: str
    hash: str

    @property
    def root(self) -> str:
        return f"/files/{self.name}/{self.hash}"


def pushed(site: Site, folder: Path, name: str, files: dict[str, bytes]) -> Pushed:
    """A version of these files."""
    for path, data in files.items():
        file = folder / name.replace("/", "_") / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    with site.admin() as storage:
        version = storage.push(name, folder / name.replace("/", "_"))
        return Pushed(name, version.hash)
