"""The bytes of a file of a front end, in the form that a browser takes."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from obstore.store import ObjectStore

from klarity_storage.layout import Name
from klarity_storage.protocol.log import Commit
from klarity_storage.protocol.versions import VersionInfo
from klarity_storage.server.files.content import Content, Part
from klarity_storage.server.web.memory import LARGEST
from klarity_storage.versions.encoded import (
    CODINGS,
    Coding,
    Encoded,
    Index,
    compress,
    decompress,
    read_form,
    read_index,
)
from klarity_storage.versions.manifest import FileInfo
from klarity_storage.versions.read import damaged, read_chunks

if TYPE_CHECKING:
    from klarity_storage.server.web.service import WebService

_LOG = logging.getLogger(__name__)
_IDENTITY: Final = "identity"


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent of a file: its bytes where they are in memory, or how many there are."""

    sha256: str
    """Of what is sent, compressed or not."""
    size: int
    data: bytes | None
    coding: Coding | None = None


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of a version of a front end."""

    store: ObjectStore
    name: Name
    info: VersionInfo
    commit: Commit
    file: FileInfo


def accepted(header: str | None) -> list[Coding]:
    """The codings of an Accept-Encoding header, the best first.

    >>> accepted("gzip, deflate, br;q=0.9"), accepted("br;q=0, *"), accepted(None)
    (['br', 'gzip'], ['gzip'], [])
    """
    weights: dict[str, float] = {}
    for item in (header or "").lower().split(","):
        coding, _, parameter = item.partition(";")
        weight = parameter.strip().removeprefix("q=")
        try:
            weights[coding.strip()] = float(weight) if weight else 1.0
        except ValueError:
            weights[coding.strip()] = 0.0
    return [coding for coding in CODINGS if weights.get(coding, weights.get("*", 0.0)) > 0]


def body_of(web: WebService, asset: Asset, wanted: list[Coding]) -> Body:
    """The file in the best of the codings in which there is one.

    Raises:
        IntegrityError: the file is damaged.
    """
    forms = _index(web, asset).get(asset.file.sha256, {})
    for coding in wanted:
        if coding in forms:
            found = _form(web, asset, coding, forms[coding])
            if found.size:
                return found
    return _identity(web, asset)


def page_body(web: WebService, key: tuple[str, ...], page: bytes, wanted: list[Coding]) -> Body:
    """A page that was made of a file, compressed at once: it is small."""
    coding = wanted[0] if wanted else None
    found = web.bodies.get((*key, coding))
    if found is not None:
        return found
    data = compress(page, thorough=False).get(coding) if coding else None
    body = _held(data, coding) if data is not None else _held(page, None)
    return web.bodies.keep((*key, coding), body, body.size)


def whole(asset: Asset) -> bytes:
    """All bytes of a small file, verified."""
    return b"".join(read_chunks(asset.store, asset.name, asset.file))


def content_of(asset: Asset, body: Body, content: Content) -> Content:
    """Where the bytes of a compressed form lie that is too large for memory."""
    index = read_index(asset.store, asset.name, asset.info.version, asset.info.manifest)
    place = index[asset.file.sha256][body.coding or "br"]
    key = asset.name.encoded_key(asset.info.version, asset.info.manifest, "bin")

    def parts(start: int, end: int) -> Iterator[Part]:
        yield Part(key, place.offset + start, end - start)

    return Content(
        store=asset.store,
        path=content.path,
        size=body.size,
        etag=content.etag,
        media_type=content.media_type,
        lasting=content.lasting,
        sha256=body.sha256,
        parts=parts,
        damaged=lambda: damaged(asset.name, asset.file),
    )


def etag_of(body: Body) -> str:
    """The entity tag of what is sent, another for each coding."""
    return f'"{body.sha256}-{body.coding}"' if body.coding else f'"{body.sha256}"'


def _index(web: WebService, asset: Asset) -> Index:
    key = (asset.name, asset.info.version, asset.info.manifest)
    found = web.indexes.get(key)
    if found is None:
        found = read_index(asset.store, *key)
        web.indexes.keep(key, found, 400 * len(found))
    return found


def _form(web: WebService, asset: Asset, coding: Coding, place: Encoded) -> Body:
    """A compressed form that was held against the file's own digest; an empty one if it fails."""
    file = asset.file
    version = (asset.name, asset.info.version, asset.info.manifest)
    key = (*version, file.sha256, coding)
    found = web.bodies.get(key)
    if found is not None:
        return found
    data = read_form(asset.store, *version, place)
    if len(data) != place.length or not decompress(coding, data, file.size, file.sha256):
        _LOG.warning("%s of %s is not in storage as it should be: %s", coding, version, file.path)
        return web.bodies.keep(key, Body("", 0, None, coding), 0)
    body = _held(data, coding)
    return web.bodies.keep(key, body, len(data) if body.data is not None else 0)


def _identity(web: WebService, asset: Asset) -> Body:
    file = asset.file
    if file.size > LARGEST:
        return Body(file.sha256, file.size, None)
    found = web.bodies.get((file.sha256, _IDENTITY))
    if found is not None:
        return found
    body = Body(file.sha256, file.size, whole(asset))
    return web.bodies.keep((file.sha256, _IDENTITY), body, file.size)


def _held(data: bytes, coding: Coding | None) -> Body:
    kept = data if len(data) <= LARGEST else None
    return Body(hashlib.sha256(data).hexdigest(), len(data), kept, coding)
