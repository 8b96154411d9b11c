"""Log in on another device: show a code here, type it in a browser anywhere (RFC 8628)."""

from __future__ import annotations

import time
from typing import Final

import msgspec

from klarity_storage.client.issuer import Issuer, Refusal, Tokens, plain
from klarity_storage.errors import StorageError, UnauthenticatedError, UnavailableError

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:device_code"
_SLOWER: Final = 5.0
_SLOWEST: Final = 60.0


class DeviceCode(msgspec.Struct, frozen=True):
    """What to show to the person, and to wait with."""

    device_code: str
    user_code: str
    verification_uri: str
    expires_in: float
    verification_uri_complete: str | None = None
    interval: float = 5.0

    def __repr__(self) -> str:
        return f"DeviceCode({self.verification_uri!r})"


def start(issuer: Issuer, scopes: list[str]) -> DeviceCode:
    """Begin a login.

    Raises:
        UnauthenticatedError: the issuer refuses the client.
        UnavailableError: it does not answer, or has no device flow.
    """
    endpoint = issuer.discover().device_authorization_endpoint
    status, content = issuer.post(endpoint, scope=" ".join(scopes))
    try:
        if status == 200:
            return msgspec.json.decode(content, type=DeviceCode)
        refusal = msgspec.json.decode(content, type=Refusal)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UnavailableError(
            f"The issuer {issuer.url} answered {status} where a code belongs."
        ) from error
    raise _refused(issuer, refusal)


def wait(issuer: Issuer, code: DeviceCode) -> Tokens:
    """Wait until the person has said yes, asking no more often than the issuer wants.

    Raises:
        UnauthenticatedError: the person said no, or nothing until the code expired.
        UnavailableError: the issuer did not answer until then.
    """
    ends = time.monotonic() + code.expires_in
    interval = max(code.interval, 1.0)
    while True:
        time.sleep(max(0.0, min(interval, ends - time.monotonic())))
        try:
            found = issuer.ask_for_tokens(grant_type=GRANT_TYPE, device_code=code.device_code)
        except UnavailableError:
            if time.monotonic() + interval >= ends:
                raise
            interval = min(interval * 2, _SLOWEST)  # as section 3.5 wants it
            continue
        if isinstance(found, Tokens):
            return found
        match found.error:
            case "slow_down":
                interval += _SLOWER
            case "authorization_pending":
                pass
            case _:
                raise _refused(issuer, found)
        if time.monotonic() >= ends:
            raise _refused(issuer, Refusal("expired_token"))


def _refused(issuer: Issuer, refusal: Refusal) -> StorageError:
    match refusal.error:
        case "access_denied":
            told = f"The login at {issuer.url} was refused there."
        case "expired_token":
            told = f"Nobody confirmed the code at {issuer.url} in time."
        case _:
            why = plain(refusal.error_description or refusal.error)
            told = f"The issuer {issuer.url} gives no token: {why.rstrip('.')}."
    return UnauthenticatedError(told, hint="ks login again, or ks login --with-token.")
