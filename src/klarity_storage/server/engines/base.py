"""What the control plane asks of an S3 engine, and nothing more."""

from __future__ import annotations

from typing import Any, Protocol

from obstore.store import ObjectStore

from klarity_storage.protocol.credentials import S3Credentials
from klarity_storage.versions.gc import Uploads


class Engine(Protocol):
    """An S3 with STS and atomic conditional PUT."""

    @property
    def credentials(self) -> S3Credentials:
        """The server's own keys: every prefix of the bucket, no expiry. Never sent to anybody."""

    @property
    def store(self) -> ObjectStore:
        """The bucket, with the server's own keys."""

    @property
    def stable_etags(self) -> bool:
        """Whether an object's ETag stays the same as long as its bytes do."""

    @property
    def restarts(self) -> int:
        """How often it died and was started again; never, where somebody else runs it."""

    @property
    def uploads(self) -> Uploads:
        """The multipart uploads of the bucket that are not complete."""

    def assume(self, policy: dict[str, Any], session: str, duration: int) -> S3Credentials:
        """Temporary keys that may do what ``policy`` allows, and nothing else.

        Args:
            policy: an IAM policy with one statement at least; it goes as inline session policy.
            session: a name for the engine's own log, 2 to 64 characters of ``[A-Za-z0-9_+=,.@-]``.
            duration: seconds, 900 to 43,200.

        Raises:
            UnavailableError: the engine does not answer.
        """

    def check(self) -> str | None:
        """None when the engine answers, or one sentence that says what is wrong."""
