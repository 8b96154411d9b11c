"""What a front end must be before a byte of it goes up."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from obstore.store import ObjectStore

from klarity_storage.errors import InvalidInputError, InvalidPathError
from klarity_storage.layout import Name
from klarity_storage.protocol.web import DOCUMENT, INDEX
from klarity_storage.versions.encoded import (
    Coding,
    compress,
    decompress,
    is_worth_a_try,
    write_encoded,
)
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.progress import Meter, OnProgress
from klarity_storage.versions.scan import SourceFile, scan_tree
from klarity_storage.versions.workers import run_all

Forms = Mapping[str, dict[Coding, bytes]]
Place = tuple[Name, str, str]

_PAGES: Final = (".html", ".htm", ".xhtml", ".shtml", ".shtm", ".stm")
_INCLUDE: Final = re.compile(
    rb"<!--#\s*(?:include|exec|echo|config|fsize|flastmod|printenv|set|if|elif|else|endif|block)\b"
)
"""A directive of server-side includes, as Apache and nginx know them."""


def check_bundle(source: Path) -> list[SourceFile]:
    """The files of a front end, sorted by path.

    Raises:
        InvalidInputError: it has no index.html, a page that a server would have to put together, or
            a file at the address of what a deployment says of itself.
        InvalidPathError: it holds a link, or a name that cannot be stored.
        FileMissingError: there is no such folder.
    """
    files = scan_tree(source)
    for link in _links(source):
        raise InvalidPathError(
            f"{link!r} is a link: what it leads to is not part of the bundle.",
            hint="Copy its target in its place, or let the bundler do it.",
        )
    paths = {file.path for file in files}
    if INDEX not in paths:
        raise InvalidInputError(
            f"{str(source)!r} has no {INDEX}: browsers would find nothing.",
            hint="Name the folder that the bundler writes, for example ./dist.",
        )
    if DOCUMENT in paths:
        raise InvalidInputError(
            f"{DOCUMENT!r} is the address at which a deployment says what it shows.",
            hint="Rename the file.",
        )
    for file in files:
        _refuse_includes(file)
    return files


def write_compressed(
    store: ObjectStore,
    place: Place,
    files: Iterable[SourceFile],
    earlier: Forms,
    progress: OnProgress | None,
) -> None:
    """Compress what pays, and lay it beside the manifest.

    A file that changed since it was hashed is caught by whoever reads: its compressed forms do not
    fit the digest that the manifest has of it.

    Args:
        store: the bucket, with keys that write the version's folder.
        place: the name, the folder and the manifest's file name.
        files: of the bundle.
        earlier: the forms of an earlier version, by SHA-256: to compress takes longer than to read.
        progress: called while it runs.
    """
    worth = [file for file in files if is_worth_a_try(file.path, file.size)]
    if not worth:
        return
    meter = Meter("compressing", sum(file.size for file in worth), len(worth), progress)

    def forms(file: SourceFile) -> tuple[str, dict[Coding, bytes]]:
        with told_as_ours(f"the file {file.location!r}"):
            data = file.file.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        known = earlier.get(sha256)
        if known is None or not all(
            decompress(coding, form, len(data), sha256) for coding, form in known.items()
        ):
            known = compress(data)
        meter.advance(file.size, files=1)
        return sha256, known

    found = dict(run_all(forms, worth, workers=os.cpu_count() or 1))
    write_encoded(store, *place, found.items())


def _links(source: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(source):
        for name in sorted(folders + files):
            path = Path(folder, name)
            if path.is_symlink():
                yield str(path.relative_to(source))


def _refuse_includes(file: SourceFile) -> None:
    if not file.path.lower().endswith(_PAGES):
        return
    with told_as_ours(f"the file {file.location!r}"):
        found = _INCLUDE.search(file.file.read_bytes())
    if found:
        raise InvalidInputError(
            f"{file.path!r} holds a server-side include ({found[0].decode()} … -->), and nothing "
            "here carries it out.",
            hint="Let the bundler put the page together.",
        )
