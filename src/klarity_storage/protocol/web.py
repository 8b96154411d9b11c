"""Front ends: deployments, and the releases that they show.

A deployment is a name of the kind artefacts that ends in ``.deployment``. Each of its versions is a
release: one file, ``deployment.json``, which says what is shown. So its history, its rights and its
audit lines are those of any name.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from klarity_storage.errors import InvalidNameError
from klarity_storage.layout import Kind, Name, check_name
from klarity_storage.protocol.base import Request, Response

DOCUMENT: Final = "deployment.json"
"""The one file of a release, and the address at which a page reads it."""

INDEX: Final = "index.html"

_SUFFIX: Final = ".deployment"


def deployment_name(space: str, deployment: str) -> Name:
    """The name under which the releases of a deployment lie.

    Raises:
        InvalidNameError: the space or the deployment breaks the naming rule.

    >>> str(deployment_name("web", "prod"))
    'web/artefacts/prod.deployment'
    """
    check_name(deployment, "deployment")
    if len(deployment) + len(_SUFFIX) > 128:
        raise InvalidNameError(
            f"{deployment!r} cannot be a deployment: it is too long.",
            hint=f"Use {128 - len(_SUFFIX)} letters at most.",
        )
    return Name(space, Kind.ARTEFACTS, deployment + _SUFFIX)


def deployment_of(name: Name) -> str | None:
    """The deployment whose releases lie under a name, or None.

    >>> deployment_of(deployment_name("web", "prod"))
    'prod'
    """
    if name.kind is not Kind.ARTEFACTS or not name.name.endswith(_SUFFIX):
        return None
    return name.name.removesuffix(_SUFFIX) or None


class Document(Response, frozen=True):
    """``deployment.json``: what a deployment shows, for the page itself."""

    deployment: str
    """``web/prod``."""
    app: str | None
    """``web/artefacts/kd-front``; None where nothing is shown."""
    version: str | None
    """The whole hash of its version."""
    data: dict[str, str] = {}
    """The versions that are pinned with it: ``{"vision/artefacts/report": "3f9a…"}``."""

    def encode(self) -> bytes:
        """Its bytes, the same for the same release."""
        return msgspec.json.format(msgspec.json.encode(self, order="deterministic"), indent=2)


class Deploy(Request, frozen=True):
    """Show a version of a front end, with the data that belong to it."""

    app: str
    """``web/artefacts/kd-front@3f9a``: a tag, or the beginning of a hash; the latest without."""
    data: list[str] = []
    """References of artefacts, models and datasets that the page is to read."""
    message: str = ""


class Rollback(Request, frozen=True):
    """Show an earlier release again."""

    to: str | None = None
    """The hash of a release, or its beginning; the one before the one that stands without it."""
    message: str = ""


class Release(Response, frozen=True):
    """What a deployment shows, or has shown."""

    release: str
    """Its hash: that of the version whose file is ``deployment.json``."""
    app: str | None
    """``web/artefacts/kd-front``; None where it was taken down."""
    version: str | None
    data: dict[str, str]
    at: datetime
    by: str
    message: str
    rollback: bool = False
    """Whether it stands there again."""
    current: bool = False
    kept: bool = False
    """Whether it can be rolled back to: its versions are kept from deletion until then."""


class ReleaseList(Response, frozen=True):
    """The releases of a deployment, newest first."""

    items: list[Release]


class Deployment(Response, frozen=True):
    """A place at which browsers find a front end."""

    space: str
    name: str
    release: Release
    hosts: list[str] = []
    """The host names that show it, by the server's settings."""
    path: str | None = None
    """Where it is on the server's own address, unless its settings say not to."""


class DeploymentList(Response, frozen=True):
    items: list[Deployment]
