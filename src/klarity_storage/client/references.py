"""References as callers write them, read for what is wanted in their place."""

from __future__ import annotations

from klarity_storage.errors import InvalidReferenceError
from klarity_storage.layout import Kind, Name, Reference


def versioned(ref: str) -> Reference:
    """Read a reference to an artefact, model or dataset."""
    reference = Reference.parse(ref)
    if not reference.name.kind.versioned:
        raise InvalidReferenceError(
            f"{ref!r} is not an artefact, model or dataset.", hint="Tables: ks table show."
        )
    return reference


def bare_name(ref: str) -> Name:
    """Read the name of an artefact, model or dataset, without version and path."""
    reference = versioned(ref)
    if reference.selector is not None or reference.path is not None:
        raise InvalidReferenceError(
            f"{ref!r} names one version or file, where a name is wanted.",
            hint=f"Write {reference.name}.",
        )
    return reference.name


def table_name(ref: str) -> Name:
    """Read the name of a table."""
    reference = Reference.parse(ref)
    if reference.name.kind is not Kind.TABLES or reference.selector or reference.path:
        raise InvalidReferenceError(f"{ref!r} is not a table.", hint="Write space/tables/name.")
    return reference.name
