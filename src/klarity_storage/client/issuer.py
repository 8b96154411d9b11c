"""Speak to an issuer as a public client: no secret, no redirect followed, no long answer read."""

from __future__ import annotations

from typing import Final, TypeVar
from urllib.parse import urlencode

import msgspec
import urllib3

from klarity_storage.connections import open_pool
from klarity_storage.errors import ConfigurationError, UnauthenticatedError, UnavailableError
from klarity_storage.protocol.oidc import Discovery, discovery_url, is_issuer, is_safe

T = TypeVar("T")

_TIMEOUT: Final = urllib3.Timeout(connect=10, read=30)
_MAX_BYTES: Final = 256 * 1024


class Tokens(msgspec.Struct, frozen=True):
    """What an issuer gives out."""

    access_token: str
    refresh_token: str | None = None

    def __repr__(self) -> str:
        return "Tokens(***)"


class Refusal(msgspec.Struct, frozen=True):
    """Why it gives out nothing (RFC 6749, section 5.2)."""

    error: str
    error_description: str = ""


class Issuer:
    """An issuer, and the client that speaks to it.

    Args:
        url: the issuer's.
        client_id: what it knows the client as.
        resource: what its tokens are to be made for, where it wants to be told.

    Raises:
        ConfigurationError: nobody should speak to such an address.
    """

    def __init__(self, url: str, client_id: str, resource: str | None = None) -> None:
        if not is_issuer(url):
            raise ConfigurationError(
                f"The issuer {url} cannot be trusted: its address must be https.",
                hint="Tell whoever runs the server, or log in with a token: --with-token.",
            )
        self.url = url
        self._always = {"client_id": client_id} | ({"resource": resource} if resource else {})
        self._pool = open_pool(url)
        self._known: Discovery | None = None

    def discover(self) -> Discovery:
        """What the issuer says of itself.

        Raises:
            UnavailableError: it does not answer, or answers as another.
        """
        if self._known is None:
            status, content = self._request("GET", discovery_url(self.url))
            found = self._read(content, Discovery) if status == 200 else None
            if found is None or found.issuer != self.url:
                raise UnavailableError(f"{self.url} does not describe itself as an issuer.")
            self._known = found
        return self._known

    def post(self, endpoint: str | None, **form: str) -> tuple[int, bytes]:
        """Send a form to an endpoint, and return the status and the body of the answer.

        Raises:
            UnavailableError: the issuer has no such endpoint, or it does not answer.
        """
        if endpoint is None or not is_safe(endpoint, self.url):
            raise UnavailableError(f"The issuer {self.url} does not offer what is asked of it.")
        return self._request("POST", endpoint, urlencode(self._always | form).encode())

    def ask_for_tokens(self, **form: str) -> Tokens | Refusal:
        """Ask the token endpoint.

        Raises:
            UnavailableError: it does not answer, or not as one should.
        """
        status, content = self.post(self.discover().token_endpoint, **form)
        if 400 <= status < 500 and (refusal := self._read(content, Refusal)):
            return refusal
        if status == 200 and (tokens := self._read(content, Tokens)):
            return tokens
        raise UnavailableError(f"The issuer {self.url} answered {status} where tokens belong.")

    def refresh(self, refresh_token: str) -> Tokens:
        """New tokens for a refresh token; one that is not answered anew stays good.

        Raises:
            UnauthenticatedError: the login has ended.
            UnavailableError: the issuer does not answer.
        """
        found = self.ask_for_tokens(grant_type="refresh_token", refresh_token=refresh_token)
        if isinstance(found, Refusal):
            raise UnauthenticatedError(
                f"The login at {self.url} has ended ({plain(found.error)}).",
                hint="Log in again: ks login.",
            )
        return Tokens(found.access_token, found.refresh_token or refresh_token)

    def revoke(self, refresh_token: str) -> None:
        """Let the issuer forget a login (RFC 7009).

        Raises:
            UnavailableError: it does not offer that, or did not do it.
        """
        endpoint = self.discover().revocation_endpoint
        status, _ = self.post(endpoint, token=refresh_token, token_type_hint="refresh_token")  # noqa: S106
        if status != 200:
            raise UnavailableError(f"The issuer {self.url} answered {status}.")

    def _request(self, method: str, url: str, body: bytes | None = None) -> tuple[int, bytes]:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            answer = self._pool.request(
                method,
                url,
                body=body,
                headers=headers,
                timeout=_TIMEOUT,
                retries=False,
                redirect=False,  # what is sent is for this address and no other
                preload_content=False,
            )
            try:
                content = answer.read(_MAX_BYTES + 1)
            finally:
                answer.close()
        except urllib3.exceptions.HTTPError as error:
            raise UnavailableError(
                f"The issuer {self.url} does not answer: {type(error).__name__}."
            ) from error
        if len(content) > _MAX_BYTES:
            raise UnavailableError(f"The issuer {self.url} answered more than can be read.")
        return answer.status, content

    @staticmethod
    def _read(content: bytes, shape: type[T]) -> T | None:
        try:
            return msgspec.json.decode(content, type=shape)
        except (msgspec.MsgspecError, RecursionError):
            return None


def plain(text: str) -> str:
    """A short text of an issuer that a terminal can show."""
    return "".join(char for char in text[:200] if char.isprintable())
