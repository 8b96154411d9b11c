"""Logins at an issuer: made, kept in the home directory's ``.safenai``, renewed, forgotten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from klarity_storage.client.device_flow import DeviceCode, start, wait
from klarity_storage.client.http import Http
from klarity_storage.client.issuer import Issuer
from klarity_storage.client.safenai import edited, home_file
from klarity_storage.errors import ConfigurationError, UnavailableError
from klarity_storage.protocol.oidc import LoginIssuer
from klarity_storage.protocol.server import ServerInfo


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What renews a token: ``[storage.login]`` of ``.safenai``."""

    issuer: str
    client_id: str
    refresh_token: str
    resource: str | None = None

    def __repr__(self) -> str:
        return f"Login(issuer={self.issuer!r})"

    def at_issuer(self) -> Issuer:
        return Issuer(self.issuer, self.client_id, self.resource)


def find_issuers(base_url: str) -> list[LoginIssuer]:
    """Where a server lets people log in; nowhere where it has tokens of its own only.

    Raises:
        UnavailableError: it does not answer.
    """
    http = Http(base_url, None)
    try:
        return http.get("/v1/server", ServerInfo).issuers
    finally:
        http.close()


def log_in(chosen: LoginIssuer, show: Callable[[DeviceCode], None]) -> tuple[str, Login | None]:
    """Get a token from an issuer by the device flow.

    Args:
        chosen: which issuer.
        show: tells the person what to do, and returns at once.

    Returns:
        The token, and what renews it; None where the issuer gives nothing to renew it with.

    Raises:
        UnauthenticatedError: the person or the issuer refuses.
        UnavailableError: the issuer does not answer.
    """
    issuer = Issuer(chosen.issuer, chosen.client_id, chosen.resource)
    code = start(issuer, chosen.scopes)
    show(code)
    tokens = wait(issuer, code)
    if tokens.refresh_token is None:
        return tokens.access_token, None
    login = Login(chosen.issuer, chosen.client_id, tokens.refresh_token, chosen.resource)
    return tokens.access_token, login


def read_login(section: dict[str, Any], source: str) -> Login | None:
    """What ``[storage.login]`` says, if it is there.

    Raises:
        ConfigurationError: it is not what ``ks login`` writes.
    """
    if "login" not in section:
        return None
    try:
        return msgspec.convert(section["login"], Login)
    except msgspec.ValidationError as error:
        raise ConfigurationError(
            f"[storage.login] in {source} is not what ks login writes.", hint="ks login again."
        ) from error


def renew(base_url: str, ended: str) -> str | None:
    """A new token in the place of one that has ended; None where nothing renews it.

    One process at a time asks, and the others find what it was given: an issuer takes a refresh
    token once, and takes a second use for theft.

    Raises:
        UnauthenticatedError: the login has ended.
        UnavailableError: the issuer does not answer.
        ConfigurationError: the file cannot be read.
    """
    file = home_file()
    with edited(file, mode=0o600) as document:
        section: Any = document.get("storage", {})
        if str(section.get("base_url", "")).rstrip("/") != base_url:
            return None
        if section.get("token") not in {None, ended}:
            return str(section["token"])
        login = read_login(section.unwrap(), str(file))
        if login is None:
            return None
        tokens = login.at_issuer().refresh(login.refresh_token)
        section["token"] = tokens.access_token
        section["login"]["refresh_token"] = tokens.refresh_token
        return tokens.access_token


def forget() -> tuple[str | None, str | None]:
    """Remove token and login from the home directory's ``.safenai``, and end it at the issuer.

    Returns:
        The server that was logged in to, or None; and why the issuer does not know, or None.
    """
    file = home_file()
    if not file.is_file():
        return None, None
    with edited(file, mode=0o600) as document:
        section: Any = document.get("storage", {})
        plain = section.unwrap() if section else {}
        held = [section.pop(key, None) for key in ("token", "login")]
    if not any(held):
        return None, None
    try:
        if login := read_login(plain, str(file)):
            login.at_issuer().revoke(login.refresh_token)
    except (UnavailableError, ConfigurationError) as error:
        return str(plain.get("base_url", "")), error.message
    return str(plain.get("base_url", "")), None
