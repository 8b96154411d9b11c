"""How routes tell OpenAPI of their failures."""

from __future__ import annotations

from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPI, Parameter, Reference

from klarity_storage.errors import (
    InternalError,
    InvalidInputError,
    RateLimitedError,
    StorageError,
    StorageFullError,
    UnauthenticatedError,
    UnavailableError,
)
from klarity_storage.protocol.problem import CONTENT_TYPE, Problem

_ALWAYS: tuple[type[StorageError], ...] = (
    InvalidInputError,
    UnauthenticatedError,
    RateLimitedError,
    InternalError,
    UnavailableError,
    StorageFullError,
)
"""What any operation that takes a token may fail with."""


def failures(*classes: type[StorageError]) -> dict[int, ResponseSpec]:
    """What OpenAPI says of an operation's failures, one entry a status.

    Args:
        classes: what the operation fails with beside what any operation may.
    """
    by_status: dict[int, list[str]] = {}
    for cls in (*classes, *_ALWAYS):
        by_status.setdefault(cls.status, []).append(f"{cls.title} (`{cls.code}`).")
    return {
        status: ResponseSpec(
            data_container=Problem,
            generate_examples=False,
            description=" ".join(told),
            media_type=CONTENT_TYPE,
        )
        for status, told in by_status.items()
    }


def summarise(document: OpenAPI) -> OpenAPI:
    """Let every operation's docstring be its summary; Litestar makes one of the function's name."""
    for path, item in (document.paths or {}).items():
        for operation in (item.get, item.put, item.post, item.delete):
            if operation is not None and operation.parameters:
                operation.parameters.sort(key=lambda found: _place(path, found))
            if operation is not None and operation.description:
                summary, _, rest = operation.description.partition("\n\n")
                operation.summary = summary.rstrip(".")
                operation.description = rest or None
    return document


def _place(path: str, parameter: Parameter | Reference) -> int:
    """Where a parameter stands in a path, and behind it those that do not."""
    name = parameter.name if isinstance(parameter, Parameter) else ""
    at = path.find(f"{{{name}}}")
    return at if at >= 0 else len(path)
