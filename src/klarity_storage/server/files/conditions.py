"""What a request makes its answer depend on: RFC 9110, section 13."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Final

from klarity_storage.errors import PreconditionFailedError

_TAG: Final = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


class Answer(Enum):
    """What a request gets."""

    NOT_MODIFIED = 304
    WHOLE = 200
    RANGES = 206


def decide_answer(headers: Mapping[str, str], method: str, etag: str) -> Answer:
    """Which answer the conditions of a request leave.

    Args:
        headers: of the request; looked up whatever the case of their letters.
        method: GET or HEAD.
        etag: the file's entity tag, a strong one, with its quotes.

    Raises:
        PreconditionFailedError: If-Match names another state of the file.
    """
    expected, known = headers.get("if-match"), headers.get("if-none-match")
    if expected is not None and not _names(expected, etag, weakly=False):
        raise PreconditionFailedError("The file is not the one that If-Match names.")
    if known is not None and _names(known, etag, weakly=True):
        return Answer.NOT_MODIFIED
    if method != "GET" or "range" not in headers:
        return Answer.WHOLE
    # a date matches nothing: files have no Last-Modified
    return Answer.RANGES if headers.get("if-range", etag).strip() == etag else Answer.WHOLE


def _names(header: str, etag: str, *, weakly: bool) -> bool:
    if header.strip() == "*":
        return True
    return any(tag == etag and (weakly or not weak) for weak, tag in _TAG.findall(header))
