"""Versions of artefacts, models and datasets, and the entries of their log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from klarity_storage.protocol.base import Request, Response
from klarity_storage.protocol.log import Footer


class NameInfo(Response, frozen=True):
    """One artefact, model or dataset of a space."""

    space: str
    kind: str
    name: str


class NameList(Response, frozen=True):
    items: list[NameInfo]


class CommitRequest(Request, frozen=True):
    """Ask that uploaded files become a version."""

    version: str
    """The version hash."""
    manifest: str
    """The file name of its manifest: ``manifest-<sha256>.parquet``; where it does not lie in the
    version's own folder, behind the folder that it lies in: ``<folder>/manifest-<sha256>.parquet``.
    """
    write_id: str
    """A random id of this request, by which a lost answer is recognised."""
    message: str = ""
    parents: list[str] = []
    """Version hashes of the same name."""
    lineage: list[str] = []
    """References of what it was made from."""
    metadata: dict[str, Any] = {}
    redisplay: bool = False
    """Commit the manifest although this content is the latest: it shows the files another way."""


class VersionInfo(Response, frozen=True):
    """One commit of a name."""

    space: str
    kind: str
    name: str
    version: str
    seq: int
    """The number of the log entry."""
    at: datetime
    by: str
    message: str
    parents: list[str]
    lineage: list[str]
    metadata: dict[str, Any]
    manifest: str
    files: int
    bytes: int
    footer: Footer | None = None
    """Of a manifest that can be read in parts."""
    tags: list[str] = []
    latest: bool = False


class VersionList(Response, frozen=True):
    """The commits of a name, newest first."""

    items: list[VersionInfo]


class TagInfo(Response, frozen=True):
    tag: str
    version: str
    at: datetime
    by: str


class TagList(Response, frozen=True):
    items: list[TagInfo]


class SetTag(Request, frozen=True):
    version: str
    """A hash, a hash prefix or another tag."""


class UploadPlace(Response, frozen=True):
    """Where the content of a version goes that is not there, or what it is if it is there."""

    manifest: str | None = None
    """Of the version, where everything is in storage: commit it, and upload nothing."""
    folder: str | None = None
    """Where to upload what is not there: the version's hash, or one that was never written to."""


class Lineage(Response, frozen=True):
    """What a version was made from, and what was made from it."""

    ref: str
    """The version: ``vision/datasets/cats@<hash>``."""
    made_from: list[str]
    """References, as the commit says them."""
    made_into: list[str]
    """References of the versions that name it, as far as the caller may read them."""


class CollectGarbage(Request, frozen=True):
    """Ask what of a name is garbage, or to delete it."""

    dry_run: bool = True
    grace: Annotated[int, msgspec.Meta(ge=0, le=10 * 365 * 86_400)] = 86_400
    """Seconds: what was written, or whose version was deleted, since then is left alone."""


class GarbageObject(Response, frozen=True):
    """An object that no version refers to."""

    key: str
    """The whole key in the bucket."""
    size: int
    """In bytes."""
    modified: datetime
    reason: Literal["deleted", "unfinished", "upload"]
    """Its versions were deleted, or its upload never came to a commit, or not even to its end."""


class Garbage(Response, frozen=True):
    """What is garbage of a name, or what was deleted."""

    dry_run: bool
    objects: int
    bytes: int
    items: list[GarbageObject]
    """At most 10,000 of them."""
    more: bool
    """Whether there are more than ``items``: ask again to go on."""
    young: int
    """Objects that are garbage but younger than the grace period."""
