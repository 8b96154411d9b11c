from __future__ import annotations

import pytest

from klarity_storage.errors import RateLimitedError, UnauthenticatedError, UnavailableError
from klarity_storage.server.limits import guesses
from klarity_storage.server.limits.guesses import Guesses

GOOD = "ks_" + "g" * 43


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(clock: Clock) -> Guesses:
    return Guesses(10, clock)


def secret(number: int) -> str:
    return f"ks_{number:08d}" + "x" * 35


def guess(watch: Guesses, address: str, token: str) -> None:
    with pytest.raises(UnauthenticatedError), watch.watched(address, token):
        raise UnauthenticatedError("The token is unknown.")


def log_in(watch: Guesses, address: str, token: str = GOOD) -> None:
    with watch.watched(address, token):
        pass


def refused(watch: Guesses, address: str, token: str) -> int:
    with pytest.raises(RateLimitedError) as caught, watch.watched(address, token):
        raise AssertionError("it was looked up")
    return caught.value.retry_after


def test_so_many_from_an_address_and_no_more(watch: Guesses, clock: Clock) -> None:
    for number in range(10):
        guess(watch, "192.0.2.1", secret(number))
    assert refused(watch, "192.0.2.1", secret(10)) == 6
    guess(watch, "192.0.2.2", secret(11))
    clock.now += 5.9
    assert refused(watch, "192.0.2.1", secret(12)) == 1
    clock.now += 0.2
    guess(watch, "192.0.2.1", secret(13))
    refused(watch, "192.0.2.1", secret(14))
    clock.now += 60
    for number in range(10):
        guess(watch, "192.0.2.1", secret(100 + number))
    refused(watch, "192.0.2.1", secret(200))


def test_who_was_let_in_is_not_locked_out_by_others(watch: Guesses) -> None:
    log_in(watch, "192.0.2.1")
    for number in range(10):
        guess(watch, "192.0.2.1", secret(number))
    for _ in range(100):
        log_in(watch, "192.0.2.1")
    refused(watch, "192.0.2.1", secret(99))


def test_a_token_that_is_revoked_counts_from_then_on(watch: Guesses) -> None:
    log_in(watch, "192.0.2.1")
    guess(watch, "192.0.2.1", GOOD)
    for _ in range(10):
        guess(watch, "192.0.2.1", GOOD)
    refused(watch, "192.0.2.1", GOOD)


def test_one_token_is_not_guessed_from_many_addresses(watch: Guesses) -> None:
    for number in range(10):
        guess(watch, f"192.0.2.{number}", GOOD[:-2] + f"{number:02d}")
    refused(watch, "198.51.100.1", GOOD[:-2] + "99")
    guess(watch, "198.51.100.1", secret(1))


def test_jwts_all_begin_alike_and_are_counted_by_address_alone(watch: Guesses) -> None:
    for number in range(10):
        guess(watch, f"192.0.2.{number}", f"eyJhbGciOiJSUzI1NiJ9.e30.{number}")
    guess(watch, "198.51.100.1", "eyJhbGciOiJSUzI1NiJ9.e30.11")


def test_a_customer_has_one_ipv6_network(watch: Guesses) -> None:
    for number in range(10):
        guess(watch, f"2001:db8:1:2::{number}", secret(number))
    refused(watch, "2001:db8:1:2:ffff::1", secret(11))
    guess(watch, "2001:db8:1:3::1", secret(12))


def test_a_thousand_at_once_do_not_pass_before_the_first_is_known(watch: Guesses) -> None:
    begun = [watch.watched("192.0.2.1", secret(number)) for number in range(10)]
    for each in begun:
        each.__enter__()
    refused(watch, "192.0.2.1", secret(11))
    for each in begun:
        each.__exit__(None, None, None)
    guess(watch, "192.0.2.1", secret(12))


def test_what_could_not_be_looked_up_is_no_guess(watch: Guesses) -> None:
    for _ in range(100):
        with pytest.raises(UnavailableError), watch.watched("192.0.2.1", GOOD):
            raise UnavailableError("The database sleeps.")


def test_nothing_is_counted_where_any_number_is_let_pass(clock: Clock) -> None:
    free = Guesses(0, clock)
    for number in range(1000):
        guess(free, "192.0.2.1", secret(number))


def test_memory_is_bounded(watch: Guesses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guesses, "REMEMBERED", 100)
    for number in range(500):
        guess(watch, f"10.0.{number // 250}.{number % 250}", secret(number))
        log_in(watch, f"10.1.{number // 250}.{number % 250}", secret(10_000 + number))
    assert len(watch._tried) <= 100
    assert len(watch._good) <= 100
    log_in(watch, "10.2.0.0", "\udcff")
