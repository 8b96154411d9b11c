from __future__ import annotations

import pytest

from klarity_storage.errors import NotFoundError
from klarity_storage.server.rights.refusals import KEPT, SECONDS, Refusal, Refusals


def refusal(number: str = "one-request") -> Refusal:
    return Refusal(NotFoundError("No."), number, "a/datasets/b", "0" * 64, known=True)


def test_a_refusal_is_taken_once_by_its_own_request() -> None:
    refusals = Refusals()
    kept = refusal()
    number = refusals.keep(kept)
    assert refusals.take("", "one-request") is None
    assert refusals.take(number, "one-request") is kept
    assert refusals.take(number, "one-request") is None
    assert refusals.take(refusals.keep(refusal()), "other-request") is None


def test_a_refusal_does_not_wait_for_ever() -> None:
    now = 100.0
    refusals = Refusals(lambda: now)
    early, late = refusals.keep(refusal()), refusals.keep(refusal())
    now += SECONDS
    assert refusals.take(early, "one-request") is not None
    now += 0.1
    assert refusals.take(late, "one-request") is None


def test_so_many_are_kept_and_nothing_of_how_they_came_about() -> None:
    refusals = Refusals()
    with pytest.raises(NotFoundError) as caught:
        raise NotFoundError("No.") from ValueError("why")
    kept = Refusal(caught.value, "one-request", "a/datasets/b", "0" * 64, known=True)
    first = refusals.keep(kept)
    error = kept.error
    assert (error.__traceback__, error.__cause__, error.__context__) == (None, None, None)
    numbers = [refusals.keep(refusal()) for _ in range(KEPT)]
    assert len(set(numbers)) == KEPT
    assert refusals.take(first, "one-request") is None
    assert refusals.take(numbers[0], "one-request") is not None
