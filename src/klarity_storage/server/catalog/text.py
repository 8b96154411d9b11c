"""Text that people write for people: descriptions, labels, names to show."""

from __future__ import annotations

import unicodedata
from typing import Final

from klarity_storage.errors import InvalidInputError

_LONGEST: Final = 1_000


def check_text(text: str, what: str) -> str:
    """Return text that is short, and safe to print in a terminal, or raise InvalidInputError."""
    if len(text) > _LONGEST:
        raise InvalidInputError(
            f"The {what} is longer than {_LONGEST} characters.", hint="Shorten it."
        )
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in text):
        raise InvalidInputError(
            f"The {what} holds a control character.", hint="Write it in one line of text."
        )
    return text
