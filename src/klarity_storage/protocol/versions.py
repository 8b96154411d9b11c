"""Versions of artefacts, models and datasets, and the entries of their log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from klarity_storage.protocol.base import Request, Response


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
    """The file name of its manifest: ``manifest-<sha256>.parquet``."""
    write_id: str
    """A random id of this request, by which a lost answer is recognised."""
    message: str = ""
    parents: list[str] = []
    """Version hashes of the same name."""
    lineage: list[str] = []
    """References of what it was made from."""
    metadata: dict[str, Any] = {}


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
