"""Keys, names and references: the only module that builds or parses them.

Everything in the bucket lies under one of these prefixes, and every prefix ends in ``/`` (or
``cats`` would match ``cats2``):

    <space>/<kind>/<name>/_log/<20 digits>.json
    <space>/<kind>/<name>/<version hash>/_ks/manifest-<sha256>.parquet
    <space>/<kind>/<name>/<version hash>/_ks/added-<sha256>.parquet
    <space>/<kind>/<name>/<version hash>/_ks/chunks-<sha256>.parquet
    <space>/<kind>/<name>/<version hash>/_ks/encoded-<sha256>.{json,bin}
    <space>/<kind>/<name>/<version hash>/<path>
    <space>/<kind>/<name>/_thumbnails/<version hash>/<sha256>-<width>.webp
    <space>/tables/<table>/…
    <space>/raw_binary/<table>/<row index>/<path>
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import unquote

from klarity_storage.errors import (
    InvalidNameError,
    InvalidPathError,
    InvalidReferenceError,
)

MAX_KEY_BYTES: Final = 1024
"""The longest key, in UTF-8 bytes: what S3 accepts."""

MAX_SEGMENT_BYTES: Final = 250
"""The longest path segment, in bytes: 255 on Linux and macOS, less a temporary suffix."""

RESERVED_SEGMENT: Final = "_ks"
LOG_FOLDER: Final = "_log"
THUMBNAILS_FOLDER: Final = "_thumbnails"
LATEST: Final = "latest"
MIN_HASH_PREFIX: Final = 4

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # Unicode's category Cc
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")
_HASH = re.compile(r"[0-9a-f]{64}")
_HASH_PREFIX = re.compile(rf"[0-9a-f]{{{MIN_HASH_PREFIX},64}}")
_LOG_KEY = re.compile(r"(?:^|/)_log/([0-9]{20})\.json$")
_ROW_BYTE = re.compile(r"[A-Za-z0-9._-]")
_ROW_SEGMENT = re.compile(r"(?:[A-Za-z0-9._-]|~[0-9a-f]{2}){1,250}")
_PACK = re.compile(rf"{RESERVED_SEGMENT}/pack-[0-9a-f]{{64}}\.bin")
_MANIFEST = re.compile(r"(?:([0-9a-f]{64})/)?(manifest-[0-9a-f]{64}\.parquet)")


class Kind(StrEnum):
    """The second segment of every key."""

    ARTEFACTS = "artefacts"
    MODELS = "models"
    DATASETS = "datasets"
    TABLES = "tables"
    RAW_BINARY = "raw_binary"

    @property
    def versioned(self) -> bool:
        """Whether names of this kind are versioned trees."""
        return self in VERSIONED_KINDS


VERSIONED_KINDS: Final = (Kind.ARTEFACTS, Kind.MODELS, Kind.DATASETS)


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """One artefact, model, dataset or table: the unit that grants and logs speak of.

    >>> str(Name("vision", Kind.DATASETS, "cats"))
    'vision/datasets/cats'
    """

    space: str
    kind: Kind
    name: str

    def __post_init__(self) -> None:
        check_name(self.space, "space")
        check_name(self.name, "name")

    def __str__(self) -> str:
        return f"{self.space}/{self.kind}/{self.name}"

    @property
    def prefix(self) -> str:
        """The prefix of every key of this name, with its closing slash."""
        return f"{self}/"

    @property
    def log_prefix(self) -> str:
        return f"{self}/{LOG_FOLDER}/"

    def log_key(self, seq: int) -> str:
        return f"{self.log_prefix}{seq:020d}.json"

    def version_prefix(self, version: str) -> str:
        return f"{self}/{check_hash(version)}/"

    def object_key(self, key: str) -> str:
        """The whole key of an object whose key is relative to this name."""
        return _bounded(self.prefix + check_object(key))

    def manifest_key(self, version: str, manifest: str) -> str:
        """The key of a version's manifest, by its file name."""
        return self.prefix + manifest_object(version, manifest)

    def added_key(self, version: str, manifest: str) -> str:
        """The key of the list of what a version adds: it lies beside the manifest."""
        folder, _, file = self.manifest_key(version, manifest).rpartition("/")
        return f"{folder}/{file.replace('manifest-', 'added-')}"

    def chunks_key(self, version: str, sha256: str) -> str:
        """The key of the list of a file's chunks in a version's folder."""
        return (
            f"{self.version_prefix(version)}{RESERVED_SEGMENT}/chunks-{check_hash(sha256)}.parquet"
        )

    def thumbnail_key(self, folder: str, sha256: str, width: int) -> str:
        """The key of a small picture of a file; nobody who pushes may write where it lies."""
        place = f"{THUMBNAILS_FOLDER}/{check_hash(folder)}"
        return f"{self}/{place}/{check_hash(sha256)}-{width}.webp"

    def encoded_key(self, version: str, manifest: str, suffix: str) -> str:
        """The key of a version's files in compressed forms (bin), and of their list (json)."""
        folder, _, file = self.manifest_key(version, manifest).rpartition("/")
        return f"{folder}/{file.replace('manifest-', 'encoded-').removesuffix('parquet')}{suffix}"


@dataclass(frozen=True, slots=True)
class Reference:
    """A name, and optionally which version of it and which file in it.

    >>> Reference.parse("ks://vision/datasets/cats@prod/train/0001.png").path
    'train/0001.png'
    >>> str(Reference.parse("vision/datasets/cats"))
    'vision/datasets/cats'
    """

    name: Name
    selector: str | None = None
    path: str | None = None

    def __str__(self) -> str:
        text = str(self.name)
        if self.selector is not None:
            text += f"@{self.selector}"
        return f"ks://{text}/{self.path}" if self.path is not None else text

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read ``space/kind/name[@selector]`` or ``ks://space/kind/name[@selector][/path]``.

        Raises:
            InvalidReferenceError: the text has another form.
            InvalidNameError: a part breaks the naming rule.
        """
        bare = text.removeprefix("ks://")
        parts = bare.split("/", 3)
        if len(parts) < 3 or (len(parts) == 4 and bare is text):
            raise InvalidReferenceError(
                f"{text!r} is not a reference.",
                hint="Write space/kind/name, for example vision/datasets/cats@prod.",
            )
        last, at, selector = parts[2].partition("@")
        name = Name(parts[0], parse_kind(parts[1]), last)
        path = check_path(parts[3]) if len(parts) == 4 and parts[3] else None
        return cls(name, check_selector(selector) if at else None, path)


def parse_kind(text: str) -> Kind:
    """The kind of that name, or InvalidReferenceError."""
    try:
        return Kind(text)
    except ValueError:
        raise InvalidReferenceError(
            f"{text!r} is not a kind.", hint=f"The kinds are {', '.join(Kind)}."
        ) from None


def check_name(text: str, what: str = "name") -> str:
    """Return a space key or name that may be part of a key, or raise InvalidNameError."""
    if not _NAME.fullmatch(text):
        raise InvalidNameError(
            f"{text!r} cannot be a {what}.",
            hint="Use 1 to 128 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit.",
        )
    return text


def check_tag(text: str) -> str:
    """Return a tag that cannot be taken for a hash or for ``latest``, or raise InvalidNameError."""
    check_name(text, "tag")
    if text == LATEST or _HASH_PREFIX.fullmatch(text):
        other = "the newest version" if text == LATEST else "a hash"
        raise InvalidNameError(
            f"{text!r} cannot be a tag: it reads as {other}.",
            hint="Add a letter beyond f or a dash, for example v-" + text + ".",
        )
    return text


def check_selector(text: str) -> str:
    """Return a tag, a hash prefix or ``latest``, or raise InvalidReferenceError."""
    if not _NAME.fullmatch(text):
        raise InvalidReferenceError(
            f"{text!r} is neither a tag nor a hash.",
            hint="Write a tag (@prod), 4 to 64 hexadecimal digits (@3f9a0c) or @latest.",
        )
    return text


def is_hash_prefix(text: str) -> bool:
    """Whether the text reads as the beginning of a version hash."""
    return bool(_HASH_PREFIX.fullmatch(text))


def check_hash(text: str) -> str:
    """Return a SHA-256 as 64 lower-case hexadecimal digits, or raise InvalidReferenceError."""
    if not _HASH.fullmatch(text):
        raise InvalidReferenceError(f"{text!r} is not a SHA-256 in lower-case hexadecimal.")
    return text


def check_path(path: str) -> str:
    """Return a file path that is safe in a key and on a disk, or raise InvalidPathError.

    >>> check_path("train/0001.png")
    'train/0001.png'
    """
    reason = _path_fault(path)
    if reason:
        raise InvalidPathError(
            f"The file path {path!r} cannot be stored: {reason}.", hint="Rename the file."
        )
    return path


def check_object(key: str) -> str:
    """Return the key of an object that extents may name, or raise InvalidPathError.

    It is relative to the name's prefix, so it cannot lead out of it: ``<version hash>/<path>``, or
    ``<version hash>/_ks/pack-<sha256>.bin``.
    """
    version, _, path = key.partition("/")
    if not _HASH.fullmatch(version):
        raise InvalidPathError(f"The object {key!r} does not lie in a version's folder.")
    return key if _PACK.fullmatch(path) else f"{version}/{check_path(path)}"


def manifest_object(version: str, manifest: str) -> str:
    """The key of a version's manifest, relative to the name's prefix.

    A version that was pushed again after its folder was purged lies in another folder, and that
    stands before the manifest's file name.

    >>> manifest_object("0" * 64, "1" * 64 + "/manifest-" + "2" * 64 + ".parquet")[:68]
    '1111111111111111111111111111111111111111111111111111111111111111/_ks'
    """
    match = _MANIFEST.fullmatch(manifest)
    if not match:
        raise InvalidReferenceError(
            f"{manifest!r} is not the name of a manifest (manifest-<sha256>.parquet)."
        )
    return f"{match[1] or check_hash(version)}/{RESERVED_SEGMENT}/{match[2]}"


def _path_fault(path: str) -> str | None:
    if not path:
        return "it is empty"
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        return "it is not valid UTF-8"
    if "\\" in path:
        return "it holds a backslash"
    if _CONTROL.search(path):
        return "it holds a control character"
    if len(encoded) > MAX_KEY_BYTES:
        return f"it is longer than {MAX_KEY_BYTES} bytes"
    return _segments_fault(path.split("/"))


def _segments_fault(segments: list[str]) -> str | None:
    if segments[0] == "" and len(segments) > 1:
        return "it begins with a slash"
    if segments[0] == RESERVED_SEGMENT:
        return f"'{RESERVED_SEGMENT}' is reserved as its first segment"
    for segment in segments:
        if segment == "":
            return "it holds an empty segment"
        if segment in (".", ".."):
            return f"it holds the segment '{segment}'"
        if len(segment.encode()) > MAX_SEGMENT_BYTES:
            return f"a segment is longer than {MAX_SEGMENT_BYTES} bytes"
    return None


def _bounded(key: str) -> str:
    if len(key.encode()) > MAX_KEY_BYTES:
        raise InvalidPathError(
            f"The key {key[:80]!r}… is longer than {MAX_KEY_BYTES} bytes.",
            hint="Shorten the file's path.",
        )
    return key


def kind_prefix(space: str, kind: Kind) -> str:
    """The prefix of every name of a kind in a space.

    >>> kind_prefix("vision", Kind.TABLES)
    'vision/tables/'
    """
    return f"{space_prefix(space)}{kind}/"


def space_prefix(space: str) -> str:
    """The prefix of every key of a space.

    >>> space_prefix("vision")
    'vision/'
    """
    return f"{check_name(space, 'space')}/"


def raw_binary_prefix(table: Name) -> str:
    """The prefix of the binaries that belong to a table's rows."""
    return f"{kind_prefix(table.space, Kind.RAW_BINARY)}{table.name}/"


def row_segment(row: int | str) -> str:
    """A row's index as one segment of a key: ASCII letters, digits, ``.``, ``_`` and ``-``.

    Other bytes of its UTF-8, and a first letter that is ``.`` or ``_``, are written ``~xx``.

    Raises:
        InvalidPathError: it is empty or too long.

    >>> row_segment(812), row_segment("Zürich/3")
    ('812', 'Z~c3~bcrich~2f3')
    """
    try:
        encoded = str(row).encode()
    except UnicodeEncodeError:
        encoded = b""
    segment = "".join(
        chr(byte)
        if _ROW_BYTE.fullmatch(chr(byte)) and (at or byte not in b"._")
        else f"~{byte:02x}"
        for at, byte in enumerate(encoded)
    )
    if not segment or len(segment) > MAX_SEGMENT_BYTES or isinstance(row, bool):
        raise InvalidPathError(
            f"{row!r:.80} cannot be the index of a row with binaries.",
            hint=f"Use an integer or a text of up to {MAX_SEGMENT_BYTES} letters.",
        )
    return segment


def parse_row_segment(segment: str) -> str | None:
    """The index of a row, as text, or None when the segment is not one.

    >>> parse_row_segment("Z~c3~bcrich~2f3")
    'Zürich/3'
    """
    if not _ROW_SEGMENT.fullmatch(segment):
        return None
    try:
        row = unquote(segment.replace("~", "%"), errors="strict")
    except UnicodeDecodeError:
        return None
    return row if row_segment(row) == segment else None


def raw_row_prefix(table: Name, row: int | str) -> str:
    """The prefix of the binaries of one row."""
    return f"{raw_binary_prefix(table)}{row_segment(row)}/"


def raw_binary_key(table: Name, row: int | str, path: str) -> str:
    """The key of a binary of a row."""
    return _bounded(raw_row_prefix(table, row) + check_path(path))


def parse_log_key(key: str) -> int | None:
    """The number of a log entry, or None when the key is not one."""
    match = _LOG_KEY.search(key)
    return int(match[1]) if match else None
