"""Which file of which version an address of a deployment stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import quote

from klarity_storage.errors import NotFoundError
from klarity_storage.protocol.web import DOCUMENT, INDEX
from klarity_storage.server.files.types import content_type
from klarity_storage.server.web.address import PageAddress, versioned
from klarity_storage.server.web.body import (
    Asset,
    Body,
    accepted,
    body_of,
    page_body,
    whole,
)
from klarity_storage.server.web.memory import LARGEST
from klarity_storage.server.web.pages import address_by_version
from klarity_storage.server.web.releases import Entry, Pinned
from klarity_storage.server.web.site import Site
from klarity_storage.versions.encoded import Coding, is_worth_a_try
from klarity_storage.versions.hashing import digest_bytes
from klarity_storage.versions.media_types import DEFAULT

_HTML: Final = "text/html"


@dataclass(frozen=True, slots=True)
class Answered:
    """What is sent for an address."""

    path: str
    body: Body
    lasting: bool
    """Whether the address names these bytes for ever."""
    varies: bool
    """Whether another reader may get it in another coding."""
    page: bool = False
    asset: Asset | None = None
    """Where the bytes lie, if they are not in memory."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of a file of a deployment."""

    address: PageAddress
    root: str
    """Of the deployment: ``/``, or ``/web/space/prod/``."""
    headers: Mapping[str, str]


Found = Answered | str
"""A file, or the address that browsers are sent to."""


def find_page(site: Site, asked: Asked) -> Found:
    """What an address stands for.

    Raises:
        NotFoundError: nothing: a missing script is never answered with a page.
    """
    address = asked.address
    if address.path == DOCUMENT:
        return _document(site, address)
    if address.version is not None:
        return _of_version(site, asked, address.version)
    current, *older = site.apps
    found = site.find(current, address.path)
    if found is not None:
        return _answer(site, asked, current, found)
    if not address.folder and site.find(current, f"{address.path}/{INDEX}") is not None:
        return f"{asked.root}{quote(address.path)}/"
    for app in () if _is_page(address.path) else older:
        # a page that was loaded before the switch may ask for it by an address without a version
        before = site.find(app, address.path)
        if before is not None:
            return _answer(site, asked, app, before)
    if is_navigation(asked.headers, address):
        index = site.find(current, INDEX)
        if index is not None:
            return _answer(site, asked, current, index)
    raise _missing(address.path)


def is_navigation(headers: Mapping[str, str], address: PageAddress) -> bool:
    """Whether a person goes to an address, which a single-page application knows itself.

    Browsers say so of each request. Where one does not, an address that HTML is wanted for and
    that looks like no file's counts as one.
    """
    if not address.folder and content_type(address.path) != DEFAULT:
        return False
    mode = headers.get("sec-fetch-mode")
    if mode is not None:
        return mode == "navigate" and headers.get("sec-fetch-dest") in {"document", "iframe"}
    name = address.path.rpartition("/")[2]
    return _HTML in headers.get("accept", "") and (address.folder or "." not in name)


def _of_version(site: Site, asked: Asked, version: str) -> Answered:
    app = next((app for app in site.apps if app[1] == version), None)
    found = site.find(app, asked.address.path) if app is not None else None
    if app is None or found is None:
        raise _missing(asked.address.path)
    return _plain(site, asked, found, lasting=True)


def _document(site: Site, address: PageAddress) -> Answered:
    """What the deployment shows; or showed, by the hash of the release or of the front end."""
    release: Entry | None = site.current
    if address.version is not None:
        release = next((e for e in site.kept if e.version == address.version), None)
    if release is None:
        raise _missing(address.path)
    data = release.shown.document(site.deployment).encode()
    digest = digest_bytes(data)
    body = Body(digest.sha256, digest.size, data)
    return Answered(DOCUMENT, body, lasting=address.version is not None, varies=False)


def _answer(site: Site, asked: Asked, app: Pinned, asset: Asset) -> Answered:
    if _is_page(asset.file.path) and asset.file.size <= LARGEST:
        return _page(site, asked, app, asset)
    return _plain(site, asked, asset, lasting=False)


def _plain(site: Site, asked: Asked, asset: Asset, *, lasting: bool) -> Answered:
    worth = is_worth_a_try(asset.file.path, asset.file.size)
    body = body_of(site.context.services.web, asset, _codings(asked) if worth else [])
    return Answered(asset.file.path, body, lasting, worth, _is_page(asset.file.path), asset)


def _page(site: Site, asked: Asked, app: Pinned, asset: Asset) -> Answered:
    """A page, whose scripts are asked for by its version."""
    web, path = site.context.services.web, asset.file.path
    key = (str(app[0]), app[1], site.current.version, path, asked.root)
    page = web.pages.get(key)
    if page is None:
        addresses = _addresses(site, asked.root, app)
        page = address_by_version(whole(asset), path, asked.root, addresses)
        web.pages.keep(key, page, len(page))
    body = page_body(web, key, page, _codings(asked))
    return Answered(path, body, lasting=False, varies=True, page=True)


def _addresses(site: Site, root: str, app: Pinned) -> Callable[[str], str | None]:
    @cache
    def address_of(path: str) -> str | None:
        if path == DOCUMENT:
            return versioned(root, site.current.version, path)
        return versioned(root, app[1], path) if site.find(app, path) is not None else None

    return address_of


def _codings(asked: Asked) -> list[Coding]:
    # a range counts bytes of what is sent: readers of ranges mean the file's
    return [] if "range" in asked.headers else accepted(asked.headers.get("accept-encoding"))


def _is_page(path: str) -> bool:
    return content_type(path).startswith(_HTML)


def _missing(path: str) -> NotFoundError:
    return NotFoundError(f"The front end has no file {path!r}.")
