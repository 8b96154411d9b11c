"""The secret of a token: made once, kept only as its hash (see design/001-token-hash.md)."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

_SECRET: Final = re.compile(r"ks_[A-Za-z0-9_-]{43}")


def new_secret() -> str:
    """``ks_`` and 256 random bits in URL-safe base64."""
    return f"ks_{secrets.token_urlsafe(32)}"


def is_secret(text: str) -> bool:
    """Whether the text has the form of a secret."""
    return bool(_SECRET.fullmatch(text))


def hash_of(secret: str) -> str:
    """The SHA-256 of a secret in hexadecimal: what the database keeps and looks up."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_id(kind: str) -> str:
    """A random id that says what it is of, and that nobody guesses: ``token_5c0f…``."""
    return f"{kind}_{secrets.token_hex(8)}"
