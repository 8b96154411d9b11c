"""Media types by file name, the same on every machine."""

from __future__ import annotations

import mimetypes

DEFAULT = "application/octet-stream"

# Without files: the tables of /etc would give one version two manifests on two machines.
_TYPES = mimetypes.MimeTypes()
for _suffix, _type in {
    ".parquet": "application/vnd.apache.parquet",  # IANA registration of Apache Parquet
    ".arrow": "application/vnd.apache.arrow.file",
    ".jsonl": "application/jsonl",
    ".md": "text/markdown",
    ".toml": "application/toml",
    ".yaml": "application/yaml",  # RFC 9512
    ".yml": "application/yaml",
    ".webp": "image/webp",
    ".wasm": "application/wasm",
}.items():
    _TYPES.add_type(_type, _suffix)


def media_type(path: str) -> str:
    """The media type of a file by its name.

    >>> media_type("train/0001.png")
    'image/png'
    """
    # "./" because a name like "data:,x" would be read as a URL
    kind, encoding = _TYPES.guess_type("./" + path.rpartition("/")[2])
    return DEFAULT if kind is None or encoding else kind
