"""What an address below a deployment's root names, read from the bytes that came."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from klarity_storage.errors import InvalidPathError, NotFoundError
from klarity_storage.layout import RESERVED_SEGMENT, check_path
from klarity_storage.protocol.web import INDEX
from klarity_storage.server.files.address import LONGEST, decoded_segment

_HASH: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class PageAddress:
    """A file of a front end."""

    path: str
    """In the bundle: of a folder its index.html."""
    version: str | None = None
    """The hash that the address names; what is shown now without one."""
    folder: bool = False
    """Whether the address is a folder's."""


def parse_page_address(below: bytes) -> PageAddress:
    """Read the raw path of a request behind the root of a deployment.

    Raises:
        InvalidPathError: a path that could lead elsewhere, or that no file can have.
        NotFoundError: the reserved folder holds nothing like it.

    >>> parse_page_address(b"docs/").path
    'docs/index.html'
    >>> parse_page_address(b"_ks/" + b"0" * 64 + b"/assets/x.js").path
    'assets/x.js'
    """
    if len(below) > LONGEST:
        raise InvalidPathError("The address is longer than the address of any file.")
    segments = [decoded_segment(segment) for segment in below.split(b"/")]
    version = None
    if segments[0] == RESERVED_SEGMENT:
        if len(segments) < 3 or not _HASH.fullmatch(segments[1]):
            raise NotFoundError("There is nothing at this address.", hint="Load the page again.")
        version, segments = segments[1], segments[2:]
    folder = not segments[-1]
    if folder:
        segments[-1] = INDEX
    return PageAddress(check_path("/".join(segments)), version, folder)


def versioned(root: str, version: str, path: str) -> str:
    """The address of a file that names its version: the same bytes for ever.

    >>> versioned("/", "0" * 64, "a b.js")[-9:]
    '/a%20b.js'
    """
    return f"{root}{RESERVED_SEGMENT}/{version}/{quote(path)}"
