"""Klarity Storage: versioned trees and tables, with rights and traceability.

>>> import klarity_storage as ks
>>> storage = ks.connect("./store")  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from klarity_storage.errors import (
    AlreadyExistsError,
    BusyError,
    ConfigurationError,
    ConflictError,
    FileMissingError,
    ForbiddenError,
    IntegrityError,
    InternalError,
    InvalidDataError,
    InvalidInputError,
    InvalidManifestError,
    InvalidNameError,
    InvalidPathError,
    InvalidQueryError,
    InvalidReferenceError,
    MethodNotAllowedError,
    NotAnImageError,
    NotFoundError,
    PreconditionFailedError,
    PrincipalNotFoundError,
    PurgedError,
    QueryLimitError,
    QuotaError,
    RangeNotSatisfiableError,
    RateLimitedError,
    SchemaMismatchError,
    SourceChangedError,
    SpaceNotFoundError,
    StorageError,
    StorageFullError,
    TableNotFoundError,
    TooLargeError,
    TooSlowError,
    UnauthenticatedError,
    UnavailableError,
    UnreadableImageError,
    VersionNotFoundError,
)

if TYPE_CHECKING:
    from klarity_storage.client.connect import connect
    from klarity_storage.client.credentials import Credentials
    from klarity_storage.client.storage import Storage
    from klarity_storage.client.table import Table
    from klarity_storage.client.version import Version
    from klarity_storage.layout import Kind, Name, Reference
    from klarity_storage.versions.manifest import Extent, FileInfo
    from klarity_storage.versions.progress import Progress

__version__ = "0.1.0"

__all__ = [
    "AlreadyExistsError",
    "BusyError",
    "ConfigurationError",
    "ConflictError",
    "Credentials",
    "Extent",
    "FileInfo",
    "FileMissingError",
    "ForbiddenError",
    "IntegrityError",
    "InternalError",
    "InvalidDataError",
    "InvalidInputError",
    "InvalidManifestError",
    "InvalidNameError",
    "InvalidPathError",
    "InvalidQueryError",
    "InvalidReferenceError",
    "Kind",
    "MethodNotAllowedError",
    "Name",
    "NotAnImageError",
    "NotFoundError",
    "PreconditionFailedError",
    "PrincipalNotFoundError",
    "Progress",
    "PurgedError",
    "QueryLimitError",
    "QuotaError",
    "RangeNotSatisfiableError",
    "RateLimitedError",
    "Reference",
    "SchemaMismatchError",
    "SourceChangedError",
    "SpaceNotFoundError",
    "Storage",
    "StorageError",
    "StorageFullError",
    "Table",
    "TableNotFoundError",
    "TooLargeError",
    "TooSlowError",
    "UnauthenticatedError",
    "UnavailableError",
    "UnreadableImageError",
    "Version",
    "VersionNotFoundError",
    "connect",
]

# Names that bring Arrow or HTTP with them load when they are first used, so that `ks --help` and
# `except klarity_storage.NotFoundError` cost nothing.
_LAZY = {
    "Credentials": "klarity_storage.client.credentials",
    "Extent": "klarity_storage.versions.manifest",
    "FileInfo": "klarity_storage.versions.manifest",
    "Kind": "klarity_storage.layout",
    "Name": "klarity_storage.layout",
    "Progress": "klarity_storage.versions.progress",
    "Reference": "klarity_storage.layout",
    "Storage": "klarity_storage.client.storage",
    "Table": "klarity_storage.client.table",
    "Version": "klarity_storage.client.version",
    "connect": "klarity_storage.client.connect",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
