"""How the tests speak of running ks."""

from __future__ import annotations

import subprocess
from typing import Protocol, TypeVar

import msgspec
from click.testing import Result

T = TypeVar("T")


class Run(Protocol):
    """Run ks in this process, and insist on its exit code unless that is None."""

    def __call__(self, *args: str, stdin: str | None = None, code: int | None = 0) -> Result: ...


class Spawn(Protocol):
    """Run a shell line in a process of its own, and insist on its exit code."""

    def __call__(
        self, line: str, *, code: int = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]: ...


def document(result: Result, kind: type[T]) -> T:
    """The one JSON document of stdout, as a struct; nothing is said beside it."""
    assert result.stderr == ""
    return msgspec.json.decode(result.stdout, type=kind, strict=True)
