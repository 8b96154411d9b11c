"""The project API: an HTTP endpoint that says where the server is, and gives a token to it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from klarity_storage.errors import ConfigurationError, UnavailableError

VARIABLE: Final = "SAFENAI_PROJECT_API"
_PATIENCE: Final = 10
"""Seconds."""


class Project(NamedTuple):
    """What the API says of the project."""

    base_url: str
    token: str
    dataspaces: tuple[str, ...]


def ask_project(url: str) -> Project:
    """Ask the API, which answers with ``base_url``, ``token`` and ``dataspaces`` as JSON.

    When the token ends need not be said: the API is asked again when the server refuses it.

    Raises:
        UnavailableError: it does not answer, or is busy.
        ConfigurationError: it answers something else.
    """
    import urllib3  # noqa: PLC0415 - only where there is such an API

    from klarity_storage.connections import open_pool  # noqa: PLC0415

    try:
        reply = open_pool(url).request("GET", url, timeout=_PATIENCE, retries=False)
    except urllib3.exceptions.HTTPError as error:
        raise UnavailableError(
            f"The project API named by {VARIABLE} does not answer: {type(error).__name__}.",
            hint=f"Check {VARIABLE}, or set KS_URL and KS_TOKEN.",
        ) from error
    if reply.status >= 500:
        raise UnavailableError(
            f"The project API named by {VARIABLE} answers with status {reply.status}.",
            hint="Try again in a moment.",
        )
    try:
        if reply.status != 200:
            raise ValueError(f"status {reply.status}")
        answer: Any = reply.json()
        spaces = answer.get("dataspaces") or answer.get("spaces") or ()
        return Project(str(answer["base_url"]), str(answer["token"]), tuple(map(str, spaces)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"The project API named by {VARIABLE} gave no base_url and token: "
            f"{type(error).__name__}.",
            hint=f"Check {VARIABLE}, or set KS_URL and KS_TOKEN.",
        ) from error
