from __future__ import annotations

import re

import msgspec
import pytest

import klarity_storage as ks
from klarity_storage import errors
from klarity_storage.protocol.problem import Problem, error_of, problem_of

CLASSES = errors.error_classes()


def test_the_drawn_tree_is_the_tree() -> None:
    drawn = re.findall(r"[├└]── (\w+)(?: +(\d{3}))?", errors.__doc__ or "")
    real = {cls.__name__: cls for cls in CLASSES.values() if cls is not ks.StorageError}
    assert {name for name, _ in drawn} == set(real)
    assert {name: int(status) for name, status in drawn if status} == {
        name: cls.status
        for name, cls in real.items()
        if cls.__bases__[0] is ks.StorageError
        or cls.status != getattr(cls.__bases__[0], "status", None)
    }


def test_codes_are_unique_and_every_class_has_one() -> None:
    found = [ks.StorageError]
    for cls in found:
        # a part may have a class for itself, which callers know by the code of its parent
        found.extend(c for c in cls.__subclasses__() if c.__module__ == ks.StorageError.__module__)
    assert len({cls.code for cls in found}) == len(found)


@pytest.mark.parametrize("cls", CLASSES.values(), ids=lambda cls: cls.code)
def test_an_error_survives_the_wire(cls: type[ks.StorageError]) -> None:
    sent = msgspec.json.encode(problem_of(cls("What went wrong.", hint="Do this."), "r-1"))
    error = error_of(msgspec.json.decode(sent, type=Problem))

    assert type(error) is cls
    assert (str(error), error.hint, error.request_id) == ("What went wrong.", "Do this.", "r-1")


@pytest.mark.parametrize(
    ("status", "cls"),
    [
        (401, ks.UnauthenticatedError),
        (403, ks.ForbiddenError),
        (404, ks.NotFoundError),
        (409, ks.ConflictError),
        (418, ks.InvalidInputError),
        (500, ks.InternalError),
        (502, ks.UnavailableError),
        (504, ks.UnavailableError),
    ],
)
def test_an_unknown_code_is_read_by_its_status(status: int, cls: type[ks.StorageError]) -> None:
    problem = Problem(type="t", title="T", status=status, detail="D", code="from_the_future")
    assert type(error_of(problem)) is cls
