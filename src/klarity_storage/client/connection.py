"""What every part of ``Storage`` stands on: a place to ask, and who is asking."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Self

from klarity_storage.client.admin import Admin
from klarity_storage.client.backend import Backend
from klarity_storage.client.remote import RemoteBackend
from klarity_storage.errors import InvalidInputError
from klarity_storage.layout import Name, Reference
from klarity_storage.protocol.server import Identity
from klarity_storage.protocol.spaces import Space

ALL = "all"
"""In the place of a space: the ``dataspaces`` of ``.safenai``, or every space."""


class Connection:
    """A server or a directory, as one caller sees it."""

    def __init__(
        self,
        backend: Backend,
        source: str,
        dataspaces: tuple[str, ...] = (),
        identity: Identity | None = None,
        *,
        offline: bool = False,
    ) -> None:
        self._backend = backend
        self._dataspaces = dataspaces
        self._identity = identity
        self._folder = Path.cwd()
        self.offline = offline
        """Whether the server did not answer: only tables on this disk can be read."""
        self.source = source
        """Where location and token came from, for a person."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.location!r}, mode={self.mode!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the server."""
        self._backend.close()

    @property
    def mode(self) -> Literal["local", "server"]:
        return "server" if isinstance(self._backend, RemoteBackend) else "local"

    @property
    def location(self) -> str:
        """The server's base URL, or the directory."""
        return self._backend.location

    @property
    def admin(self) -> Admin:
        """Users, tokens and grants; only a server has them."""
        if not isinstance(self._backend, RemoteBackend):
            raise InvalidInputError(
                "Local mode has no users, tokens or grants.",
                hint="Connect to a server: ks login URL.",
            )
        return Admin(self._backend.http)

    def whoami(self) -> Identity:
        """Who the server takes the caller for, and what they were granted."""
        self._identity = self._backend.whoami()
        return self._identity

    def _principal(self) -> str:
        """Who changes something; offline, where only this disk can be changed, its user."""
        if self._identity is None and self.offline:
            return f"local:{getpass.getuser()}"
        return (self._identity or self.whoami()).principal

    def get_spaces(self) -> list[Space]:
        return self._backend.spaces()

    def get_space(self, key: str) -> Space:
        """One space.

        Raises:
            SpaceNotFoundError: there is none of that key, or the caller may not see it.
        """
        return self._backend.space(key)

    def create_space(self, key: str, description: str = "", bucket: str | None = None) -> Space:
        """Create a space; the caller becomes its owner.

        Args:
            key: the first segment of every key in it.
            description: one sentence for those who browse.
            bucket: which of the server's buckets it lies in; the main one without it.
        """
        return self._backend.create_space(key, description, bucket)

    def _pinned(self, reference: str) -> str:
        """A reference that means the same for ever; a table's, as it stands."""
        parsed = Reference.parse(reference)
        if not parsed.name.kind.versioned:
            return reference
        info = self._backend.version(parsed.name, parsed.selector)
        return f"{parsed.name}@{info.version}"

    def _everywhere(self, space: str, find: Callable[[str], list[Name]]) -> list[Name]:
        if space != ALL:
            return find(space)
        spaces = self._dataspaces or [item.key for item in self._backend.spaces()]
        return [name for key in spaces for name in find(key)]
