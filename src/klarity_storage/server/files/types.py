"""Media types by file name, as browsers need them."""

from __future__ import annotations

from typing import Final

from klarity_storage.versions.media_types import DEFAULT, media_type

_MORE: Final = {
    ".avif": "image/avif",
    ".bz2": "application/x-bzip2",
    ".dcm": "application/dicom",
    ".flac": "audio/flac",
    ".geojson": "application/geo+json",
    ".glb": "model/gltf-binary",
    ".gltf": "model/gltf+json",
    ".gz": "application/gzip",
    ".h5": "application/x-hdf5",
    ".hdf5": "application/x-hdf5",
    ".ipynb": "application/x-ipynb+json",
    ".jxl": "image/jxl",
    ".log": "text/plain",
    ".map": "application/json",
    ".mjs": "text/javascript",
    ".ndjson": "application/jsonl",
    ".npy": "application/x-npy",
    ".npz": "application/x-npz",
    ".obj": "model/obj",
    ".opus": "audio/ogg",
    ".ply": "model/ply",
    ".stl": "model/stl",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xz": "application/x-xz",
    ".zst": "application/zstd",
}
_TEXT: Final = frozenset({"application/javascript", "application/xml", "image/svg+xml"})
"""Text that is not told by its name to be: a reader would guess its encoding."""


def content_type(path: str) -> str:
    """The media type of a file by its name, with the encoding of text.

    >>> content_type("a/b.csv"), content_type("b.safetensors"), content_type("log.txt.gz")
    ('text/csv; charset=utf-8', 'application/octet-stream', 'application/gzip')
    """
    found = media_type(path)
    if found == DEFAULT:
        name = path.rpartition("/")[2]
        found = _MORE.get(name[name.rfind(".") :].lower(), DEFAULT) if "." in name else DEFAULT
    return f"{found}; charset=utf-8" if found.startswith("text/") or found in _TEXT else found
