"""Where the server is and who the caller is: argument, environment, ``.safenai``, project API."""

from __future__ import annotations

import difflib
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from klarity_storage.client.cache_entries import entries_of
from klarity_storage.client.project_api import VARIABLE as PROJECT_API
from klarity_storage.client.project_api import ask_project
from klarity_storage.client.safenai import FILE_NAME, edited, files_from, home_file, read_section
from klarity_storage.errors import ConfigurationError

if TYPE_CHECKING:
    from klarity_storage.client.logins import Login

URL_VARIABLE: Final = "KS_URL"
TOKEN_VARIABLE: Final = "KS_TOKEN"  # noqa: S105 - the name of a variable
_PROJECT_API: Final = "the project API"
Renew = Callable[[str], str | None]
"""Gives another token in the place of one that the server refuses, or None where it has none."""

_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")
_KEYS = ("base_url", "cache", "dataspaces", "login", "token")


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a connection needs to know."""

    location: str
    """A server's base URL, or a directory."""
    token: str | None = field(default=None, repr=False)
    dataspaces: tuple[str, ...] = ()
    """The spaces that ``all`` stands for; every one with none."""
    source: str = ""
    """Where location and token came from, for a person."""
    renew: Renew | None = field(default=None, repr=False)
    """Gives another token when this one ends: what it came from does."""

    @property
    def is_server(self) -> bool:
        return is_url(self.location)


@dataclass(frozen=True, slots=True)
class _Found:
    """What one source says."""

    source: str
    location: str | None = None
    token: str | None = field(default=None, repr=False)
    dataspaces: tuple[str, ...] = ()
    renew: Renew | None = field(default=None, repr=False)


def is_url(location: str) -> bool:
    return location.startswith(("http://", "https://"))


def read_configuration(
    target: str | os.PathLike[str] | None = None,
    token: str | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    start: Path | None = None,
) -> Configuration:
    """Find out where to connect, and as whom.

    Each of location and token comes from the first source that has it: the arguments, the
    environment (``KS_URL``, ``KS_TOKEN``), the ``.safenai`` nearest to the working directory, the
    one in the home directory, the project API (``SAFENAI_PROJECT_API``). A token that a file or the
    project API holds goes only to the server that the same source names.

    Raises:
        ConfigurationError: a source is wrong, or none names a server or a directory.
        UnavailableError: the project API is needed, and does not answer.
    """
    given = _checked_token(token, "the arguments")
    explicit = _Found("the arguments", _location(target), given)
    found = [explicit, _from_environment(environ), *_from_files(start or Path.cwd())]
    if environ.get(PROJECT_API) and not _is_enough(found):
        found.append(_from_project_api(environ[PROJECT_API]))
    place = _place(found)
    if place is None or place.location is None:
        raise ConfigurationError(
            "There is no server to connect to.",
            hint=f"ks login URL, set {URL_VARIABLE}, or name a directory for local mode.",
        )
    key = next((source for source in found if _token_fits(source, place)), None)
    spaces = next((source.dataspaces for source in found if source.dataspaces), ())
    origin = f"{place.location} from {place.source}"
    if key:
        origin += f", token from {key.source}"
    if key is None:
        return Configuration(place.location, None, spaces, origin)
    return Configuration(place.location, key.token, spaces, origin, key.renew)


def _place(found: list[_Found]) -> _Found | None:
    return next((source for source in found if source.location), None)


def _is_enough(found: list[_Found]) -> bool:
    """Whether it is known where to connect to and, at a server, as whom."""
    place = _place(found)
    if place is None:
        return False
    return not is_url(place.location or "") or any(_token_fits(each, place) for each in found)


def _token_fits(source: _Found, place: _Found) -> bool:
    """A file in a folder that somebody else wrote must not send home's token elsewhere."""
    if source.token is None:
        return False
    return source.location is None or source.location == place.location


def _location(target: str | os.PathLike[str] | None) -> str | None:
    if target is None:
        return None
    text = os.fspath(target)
    if is_url(text):
        return check_url(text).rstrip("/")
    if "://" in text:
        raise ConfigurationError(
            f"{text!r} is neither an http(s) URL nor a directory.",
            hint="Write https://ks.example.org, or a path such as ./store.",
        )
    return text


def check_url(url: str) -> str:
    """Return the URL of a server: it is shown and logged, and so must hold nothing secret.

    Raises:
        ConfigurationError: it holds more than an address; what, is not told.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:  # of a bracket that is not closed; it does not quote the URL
        raise ConfigurationError(
            f"The server's URL cannot be read: {error}.", hint="Write https://ks.example.org."
        ) from None
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigurationError(
            f"The server's URL at {parts.hostname} holds more than an address.",
            hint=f"A token goes into {TOKEN_VARIABLE} or to ks login; one that stood in a URL was "
            "seen by others: ks token revoke.",
        )
    return url


def _checked_token(token: str | None, source: str) -> str | None:
    """A token that can stand in a header; what is wrong with it is told without it."""
    if token is None or not (token := token.strip()):
        return None
    if not _VISIBLE.fullmatch(token):
        raise ConfigurationError(
            f"The token from {source} holds characters that no token has.",
            hint="Is it one line, whole and without quotes? ks login asks for it anew.",
        )
    return token


def _from_environment(environ: Mapping[str, str]) -> _Found:
    # the two variables need not come together: a token alone goes to whatever server is named
    location = _location(environ.get(URL_VARIABLE) or None)
    token = _checked_token(environ.get(TOKEN_VARIABLE), "the environment")
    return _Found("the environment", location, token)


def _from_files(start: Path) -> list[_Found]:
    home = home_file()
    return [_from_file(file, is_home=file == home) for file in files_from(start)]


def _from_file(file: Path, *, is_home: bool) -> _Found:
    section = read_section(file)
    for key in section:
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, 1)
            raise ConfigurationError(
                f"{file} has an unknown key {key!r} in [storage].",
                hint=f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(_KEYS)}.",
            )
    token = section.get("token")
    login = section.get("login")
    if token is not None or login is not None:
        _check_token_file(file, is_home=is_home)
    base_url, spaces = section.get("base_url"), section.get("dataspaces", [])
    for key, value in (("base_url", base_url), ("token", token)):
        if value is not None and not isinstance(value, str):
            raise ConfigurationError(f"{key!r} in {file} is not a text.")
    if not isinstance(spaces, list) or not all(isinstance(space, str) for space in spaces):
        raise ConfigurationError(f"'dataspaces' in {file} is not a list of texts.")
    entries_of(file)  # what is wrong with them is known before it is needed
    location = _location(base_url)
    renew = None if login is None or location is None else partial(_renew_login, location)
    return _Found(str(file), location, token, tuple(spaces), renew)


def _renew_login(base_url: str, ended: str) -> str | None:
    from klarity_storage.client.logins import renew  # noqa: PLC0415 - only where one has ended

    return renew(base_url, ended)


def _check_token_file(file: Path, *, is_home: bool) -> None:
    if not is_home:
        raise ConfigurationError(
            f"{file} holds a token, but a project's file is shared.",
            hint=f"Move it to ~/{FILE_NAME}: ks login does it. Then revoke it: ks token revoke.",
        )
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise ConfigurationError(
            f"{file} holds a token and others may read it.", hint=f"chmod 600 {file}"
        )


def _from_project_api(url: str) -> _Found:
    project = ask_project(url)
    location = _location(project.base_url)

    def renew(ended: str) -> str | None:
        again = ask_project(url)
        token = _checked_token(again.token, _PROJECT_API)
        return token if token != ended and _location(again.base_url) == location else None

    token = _checked_token(project.token, _PROJECT_API)
    return _Found(_PROJECT_API, location, token, project.dataspaces, renew)


def save_login(base_url: str, token: str, login: Login | None = None) -> Path:
    """Write server and token to the home directory's ``.safenai``, mode 0600, in one step.

    What else stands in the file is kept, comments included.

    Args:
        base_url: the server's.
        token: the caller's.
        login: what renews it, where something does.

    Returns:
        The file.
    """
    import tomlkit  # noqa: PLC0415 - only for writing

    file = home_file()
    with edited(file, mode=0o600) as document:
        section = document.setdefault("storage", tomlkit.table())
        section.update({"base_url": base_url, "token": token})
        section.pop("login", None)  # of another token
        if login is not None:
            section["login"] = msgspec.to_builtins(login)
    return file
