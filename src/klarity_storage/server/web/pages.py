"""Let a page ask for its scripts, styles and pictures by addresses that name its version.

A page that is open while its deployment switches asks for more: chunks that it loads late, or a
picture. So what its HTML refers to is addressed by version, and what a script or a style loads
relative to itself then is, too. Addresses that only look like files are left as they are, and so
is all else: links, forms, inline scripts, ``<base>``.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from html.parser import HTMLParser
from posixpath import normpath
from typing import Final
from urllib.parse import unquote, urljoin

_LOADED: Final = {
    "script": "src",
    "img": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "track": "src",
    "link": "href",
}
_LINKS: Final = frozenset({"stylesheet", "modulepreload", "preload", "prefetch", "deployment"})
"""The relations of links that a page loads; manifests and icons are known by their own address."""

_ATTRIBUTE: Final = re.compile(r"""([^\s"'<>/=]+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+))?""")
_PAGE: Final = (".html", ".htm", ".xhtml")

AddressOf = Callable[[str], str | None]
"""The address of a file of the version that names the version, by its path; None where there is
none."""


def address_by_version(page: bytes, path: str, root: str, address_of: AddressOf) -> bytes:
    """The page with the addresses of what it loads replaced.

    Args:
        page: its bytes; what is not UTF-8 is left as it is.
        path: where it lies in the bundle: relative addresses count from there.
        root: of the deployment: ``/``, or ``/web/space/prod/``.
        address_of: tells which files there are.

    >>> address_by_version(b'<script src="./x.js"></script>', "index.html", "/", "/_ks/1/{}".format)
    b'<script src="/_ks/1/x.js"></script>'
    """
    try:
        text = page.decode()
    except UnicodeDecodeError:
        return page
    finder = _Finder(text)
    finder.feed(text)
    finder.close()
    base = f"/{path}"
    parts: list[str] = []
    done = 0
    for start, tag, attribute in finder.found:
        match = _value_of(attribute, tag)
        if match is None:
            continue
        written = html.unescape(match[2].strip("\"'"))
        address = _replaced(written, base, root, address_of)
        if address is None:
            continue
        at, end = start + match.start(2), start + match.end(2)
        parts += [text[done:at], f'"{html.escape(address)}"']
        done = end
    return "".join([*parts, text[done:]]).encode()


def _value_of(attribute: str, tag: str) -> re.Match[str] | None:
    """Where the value of an attribute stands in a tag; the first counts, as for browsers."""
    name, *attributes = _ATTRIBUTE.finditer(tag)
    del name
    found = next((match for match in attributes if match[1].lower() == attribute), None)
    return found if found is not None and found[2] is not None else None


def _replaced(written: str, base: str, root: str, address_of: AddressOf) -> str | None:
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//|#|\s*$", written):
        return None
    bare = re.split(r"[?#]", written, maxsplit=1)[0]
    if bare.startswith(root) and root != "/":  # built for the path that it is shown at
        found = bare.removeprefix(root)
    else:
        found = normpath(urljoin(base, bare)).lstrip("/")
    found = unquote(found)
    if found.lower().endswith(_PAGE):
        return None
    address = address_of(found)
    return None if address is None else address + written[len(bare) :]


class _Finder(HTMLParser):
    """Where the tags stand that load something: comments and scripts are not looked into."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[tuple[int, str, str]] = []
        """The tag's place in the text, itself, and the attribute that names what it loads."""
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attribute = _LOADED.get(tag)
        if attribute is None:
            return
        if tag == "link" and _LINKS.isdisjoint((dict(attrs).get("rel") or "").lower().split()):
            return
        line, column = self.getpos()
        start = self._lines[line - 1] + column
        self.found.append((start, self.get_starttag_text() or "", attribute))
