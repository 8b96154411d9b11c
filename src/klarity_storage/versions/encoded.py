"""The files of a front end in compressed forms, which lie beside its manifest.

A browser takes JavaScript and CSS compressed, and to compress them well takes longer than to send
them, so it is done once, when they are published. ``_ks/encoded-<sha256 of the manifest>.bin``
holds the compressed forms end to end, and ``….json`` says which file's begins where. They are a
companion: no extent names them, the version's hash is of the files alone, and what is read of them
is decompressed and held against the file's own SHA-256 before it is given to anybody.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from typing import Final, Literal

import msgspec
from obstore.store import ObjectStore

from klarity_storage.errors import NotFoundError
from klarity_storage.layout import Name
from klarity_storage.versions.engine_errors import told_as_ours

Coding = Literal["br", "gzip"]
CODINGS: Final[tuple[Coding, ...]] = ("br", "gzip")
"""As HTTP calls them, the better one first."""

SUFFIXES: Final = frozenset(
    [
        ".css",
        ".csv",
        ".eot",
        ".geojson",
        ".gltf",
        ".htm",
        ".html",
        ".ico",
        ".js",
        ".json",
        ".map",
        ".md",
        ".mjs",
        ".cjs",
        ".ndjson",
        ".otf",
        ".svg",
        ".ttf",
        ".txt",
        ".wasm",
        ".webmanifest",
        ".xhtml",
        ".xml",
    ]
)
"""Of files that are worth a try: the others are compressed already, or not for browsers."""

LEAST: Final = 1024
"""Bytes of a file that is worth a try: less travels in one packet anyhow."""

MOST: Final = 16 << 20
"""Bytes of the largest file that is compressed: it is decompressed in memory to make sure of it."""

PAYS: Final = 0.9
"""A compressed form is kept that has at most so much of the file's size."""

_SLOW: Final = 2 << 20
"""Bytes from which on the last few percent are not worth ten times the time."""


class Encoded(msgspec.Struct, frozen=True):
    """Where a compressed form of a file lies in the companion."""

    offset: int
    length: int


Index = dict[str, dict[Coding, Encoded]]
"""By the SHA-256 of the file: equal files share their forms."""


def is_worth_a_try(path: str, size: int) -> bool:
    """Whether a file may become smaller.

    >>> is_worth_a_try("assets/index.js", 40_000), is_worth_a_try("logo.png", 40_000)
    (True, False)
    """
    name = path.rpartition("/")[2].lower()
    return LEAST <= size <= MOST and name[name.rfind(".") :] in SUFFIXES


def compress(data: bytes, *, thorough: bool = True) -> dict[Coding, bytes]:
    """The compressed forms of a file that pay, the same on every run.

    Args:
        data: the file.
        thorough: as small as can be; else in a moment.
    """
    import brotli  # noqa: PLC0415 - few push front ends

    quality = (9 if len(data) > _SLOW else 11) if thorough else 5
    forms: dict[Coding, bytes] = {
        "br": brotli.compress(data, quality=quality),
        "gzip": gzip.compress(data, 9 if thorough else 6, mtime=0),
    }
    return {coding: form for coding, form in forms.items() if len(form) <= PAYS * len(data)}


def decompress(coding: Coding, data: bytes, size: int, sha256: str) -> bool:
    """Whether a compressed form is that of the file with this size and SHA-256.

    It is decompressed no further than the file is long.
    """
    digest, left = hashlib.sha256(), size
    try:
        for piece in _brotli(data, size) if coding == "br" else _gzip(data, size):
            left -= len(piece)
            if left < 0:
                return False
            digest.update(piece)
    except (ValueError, zlib.error):
        return False
    return left == 0 and digest.hexdigest() == sha256


def write_encoded(
    store: ObjectStore,
    name: Name,
    version: str,
    manifest: str,
    forms: Iterable[tuple[str, dict[Coding, bytes]]],
) -> None:
    """Lay compressed forms beside a manifest, the list of them last.

    Args:
        store: the bucket, with keys that write the version's folder.
        name: whose version it is.
        version: the folder that it lies in.
        manifest: the manifest's file name.
        forms: the compressed forms of files, by SHA-256.
    """
    index: Index = {}
    body = bytearray()
    for sha256, codings in forms:
        places: dict[Coding, Encoded] = {}
        for coding, data in codings.items():
            places[coding] = Encoded(len(body), len(data))
            body += data
        index[sha256] = places
    with told_as_ours(f"the compressed files of {name}"):
        store.put(name.encoded_key(version, manifest, "bin"), bytes(body))
        data = msgspec.json.encode(index, order="deterministic")
        store.put(name.encoded_key(version, manifest, "json"), data)


def read_index(store: ObjectStore, name: Name, version: str, manifest: str) -> Index:
    """Which compressed forms lie beside a manifest; none where it was pushed without, or where the
    list cannot be read: whoever reads falls back to the files.
    """
    try:
        with told_as_ours(f"the compressed files of {name}"):
            data = bytes(store.get(name.encoded_key(version, manifest, "json")).bytes())
        return msgspec.json.decode(data, type=Index)
    except (NotFoundError, msgspec.MsgspecError):
        return {}


def read_form(store: ObjectStore, name: Name, version: str, manifest: str, place: Encoded) -> bytes:
    """The bytes of a compressed form, not verified yet; none where they are gone."""
    if not place.length:
        return b""
    try:
        with told_as_ours(f"the compressed files of {name}"):
            key = name.encoded_key(version, manifest, "bin")
            return bytes(store.get_range(key, start=place.offset, length=place.length))
    except NotFoundError:
        return b""


def read_forms(
    store: ObjectStore, name: Name, version: str, manifest: str
) -> dict[str, dict[Coding, bytes]]:
    """All compressed forms that lie beside a manifest, by SHA-256, not verified yet."""
    index = read_index(store, name, version, manifest)
    if not any(index.values()):
        return {}
    try:
        with told_as_ours(f"the compressed files of {name}"):
            data = bytes(store.get(name.encoded_key(version, manifest, "bin")).bytes())
    except NotFoundError:
        return {}
    return {
        sha256: {c: data[at.offset : at.offset + at.length] for c, at in codings.items()}
        for sha256, codings in index.items()
    }


def _brotli(data: bytes, size: int) -> Iterator[bytes]:
    import brotli  # noqa: PLC0415 - few read front ends

    decoder = brotli.Decompressor()
    try:
        yield decoder.process(data, output_buffer_limit=size + 1)
        while not decoder.is_finished():
            piece = decoder.process(b"", output_buffer_limit=size + 1)
            if not piece and decoder.can_accept_more_data():
                raise ValueError("it is cut short")
            yield piece
    except brotli.error as error:
        raise ValueError(str(error)) from error


def _gzip(data: bytes, size: int) -> Iterator[bytes]:
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 16)
    yield decoder.decompress(data, size + 1)
    if not decoder.eof:
        raise ValueError("it is cut short, or too long")
