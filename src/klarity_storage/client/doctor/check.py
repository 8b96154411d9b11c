"""What one trial of the doctor found."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from klarity_storage.errors import StorageError
from klarity_storage.protocol.base import Response


class Outcome(StrEnum):
    PASS = "PASS"  # noqa: S105 - no password
    FAIL = "FAIL"
    SKIP = "SKIP"
    """It could not be tried, and that is no fault."""


class Check(Response, frozen=True):
    name: str
    outcome: Outcome
    told: str
    """What was found."""
    remedy: str | None = None
    """What to do about a failure."""


class Report(Response, frozen=True):
    items: list[Check]

    @property
    def healthy(self) -> bool:
        """Whether nothing failed."""
        return all(check.outcome is not Outcome.FAIL for check in self.items)


def passed(name: str, told: str) -> Check:
    return Check(name, Outcome.PASS, told)


def failed(name: str, told: str, remedy: str | None) -> Check:
    return Check(name, Outcome.FAIL, told, remedy)


def skipped(name: str, told: str) -> Check:
    return Check(name, Outcome.SKIP, told)


def ended(name: str, error: StorageError, remedy: str | None = None) -> Check:
    """The failure that an error is; the remedy is for one that has no hint of its own."""
    return failed(name, error.message, error.hint or remedy)


def attempt(name: str, trial: Callable[[], Check], remedy: str | None = None) -> Check:
    """What a trial found, or the error of ours that it ended in."""
    try:
        return trial()
    except StorageError as error:
        return ended(name, error, remedy)
