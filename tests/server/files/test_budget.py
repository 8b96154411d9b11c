"""What all answers together may hold in memory."""

from __future__ import annotations

from klarity_storage.server.files.budget import LARGEST, LEAST, Budget, Window

MIB = 1 << 20


def test_whoever_is_alone_gets_large_pieces() -> None:
    window = Window(Budget(32 * MIB))
    assert window.may_stream(on=False)
    assert [window.take(256 * MIB) for _ in range(5)] == [LARGEST] * 5
    assert window.take(10) == 10


def test_many_share_what_there_is_and_everybody_gets_something() -> None:
    budget = Budget(32 * MIB)
    windows = [Window(budget) for _ in range(200)]
    sizes = [window.take(256 * MIB) for window in windows]
    assert sizes == sorted(sizes, reverse=True)
    assert (sizes[0], sizes[-1]) == (LARGEST, LEAST)
    assert 2 * sum(sizes) <= 32 * MIB + 2 * 200 * LEAST
    assert not windows[0].may_stream(on=True)
    for window in windows:
        window.close()
    assert windows[0].may_stream(on=False)
    assert windows[0].take(256 * MIB) == LARGEST


def test_whoever_is_slow_gets_little_until_it_is_not() -> None:
    window = Window(Budget(32 * MIB))
    window.take(256 * MIB)
    window.give(seconds=5)
    assert not window.may_stream(on=True)
    assert window.take(256 * MIB) == LEAST
    window.give(seconds=0.01)
    assert window.take(256 * MIB) == LARGEST


def test_a_stream_that_waited_is_followed_by_none_for_a_while() -> None:
    window = Window(Budget(32 * MIB))
    assert window.may_stream(on=False)
    window.take(256 * MIB)
    window.give(seconds=5)
    taken = 0
    while not window.may_stream(on=False):
        taken += window.take(256 * MIB)
        window.give(seconds=0.01)
    assert 64 * MIB <= taken < 66 * MIB
    assert window.may_stream(on=True)


def test_who_is_slow_at_first_may_stream_when_it_is_not() -> None:
    window = Window(Budget(32 * MIB))
    window.take(256 * MIB)
    window.give(seconds=5)
    window.take(256 * MIB)
    window.give(seconds=0.01)
    assert window.may_stream(on=False), "no stream was lost by it"


def test_what_was_taken_is_given_back_in_order() -> None:
    budget = Budget(4 * MIB)
    one = Window(budget)
    first = one.take(256 * MIB)
    assert one.take(256 * MIB) < first
    one.give()
    one.close()
    assert Window(budget).take(256 * MIB) == first


def test_little_is_handed_over_at_once_where_little_is_read() -> None:
    window = Window(Budget(32 * MIB))
    assert window.may_stream(on=False)
    assert window.sent_at_once(MIB) == LARGEST
    window.let_go()
    assert not window.may_stream(on=True)
    assert window.sent_at_once(LEAST) == 16 << 10
