"""The headers that tell of a file: what it is, how it may be kept, and what it must not do."""

from __future__ import annotations

import base64
import re
from typing import Final
from urllib.parse import quote

FOREVER: Final = "private, max-age=31536000, immutable"
"""Of what an address with a hash names: it never changes."""

ASK_AGAIN: Final = "private, no-cache"
"""Of what may change: kept, and asked about each time."""

GUARDED: Final = {
    # other callers and other pages get other answers at the same address
    "Vary": "Authorization, Origin",
    "X-Content-Type-Options": "nosniff",
    # a page of a data space is a document without scripts, forms, an origin, or anybody to call
    "Content-Security-Policy": "sandbox; default-src 'none'; img-src data:; media-src data:; "
    "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
"""On every answer of the read path, failures and redirects too."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9._-]+")
_ATTRIBUTE: Final = "!#$&+-.^_`|~"  # RFC 8187's attr-char, beside letters and digits


def repr_digest(sha256: str) -> str:
    """RFC 9530's digest of a whole file, whichever part of it is sent.

    >>> repr_digest("00" * 32)
    'sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:'
    """
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


def content_disposition(path: str, *, attachment: bool = False) -> str:
    r"""How a browser names a file that it saves: RFC 6266, with RFC 8187 for what is not ASCII.

    >>> content_disposition("a/scan.dcm")
    'inline; filename="scan.dcm"'
    >>> content_disposition('Zürich "1".txt')
    'inline; filename="Z_rich _1_.txt"; filename*=UTF-8\'\'Z%C3%BCrich%20%221%22.txt'
    """
    how = "attachment" if attachment else "inline"
    name = path.rpartition("/")[2]
    if _PLAIN.fullmatch(name):
        return f'{how}; filename="{name}"'
    plain = re.sub(r'[^\x20-\x7e]|["\\%;]', "_", name)
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe=_ATTRIBUTE)}"
