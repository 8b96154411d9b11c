"""Sessions of the real engine that end after seconds: its STS gives none below 15 minutes.

A session's token is a JSON Web Token that the engine believes for its signature alone, so that the
same session with another end is signed here with the engine's own key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime

import msgspec

from klarity_storage.protocol.credentials import S3Credentials
from klarity_storage.server.engines.keys import load_keys
from klarity_storage.server.engines.seaweed import SeaweedEngine


def ending_in(engine: SeaweedEngine, keys: S3Credentials, seconds: int) -> S3Credentials:
    """The same session, but ending so many seconds from now."""
    signing = base64.b64decode(load_keys(engine.folder / "keys.json").sts_signing_key)
    head, body, signature = str(keys.session_token).split(".")
    assert _signature(f"{head}.{body}", signing) == signature, "the engine signs in another way"
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    claims["exp"] = int(time.time()) + seconds
    body = _text(json.dumps(claims).encode())
    token = f"{head}.{body}.{_signature(f'{head}.{body}', signing)}"
    end = datetime.fromtimestamp(claims["exp"], UTC)
    return msgspec.structs.replace(keys, session_token=token, expires_at=end)


def _signature(message: str, key: bytes) -> str:
    return _text(hmac.new(key, message.encode(), hashlib.sha256).digest())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
