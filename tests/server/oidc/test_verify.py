from __future__ import annotations

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from klarity_storage.errors import UnauthenticatedError
from klarity_storage.server.oidc.keys import Key
from klarity_storage.server.oidc.remember import AT_MOST, Remembered
from klarity_storage.server.oidc.verify import Verified, is_jwt, read_unverified, verify
from klarity_storage.server.settings.sections import OidcSettings
from oidc_fixture import SigningKey, claims_of
from server.oidc.keys_of import published

ISSUER = "https://login.example.org"
SETTINGS = OidcSettings(issuer=ISSUER, audience="https://storage.example.org")


def parts() -> st.SearchStrategy[str]:
    raw = st.binary(max_size=60).map(lambda data: base64.urlsafe_b64encode(data).decode())
    return st.one_of(
        raw, raw.map(lambda text: text.rstrip("=")), st.text("abcAZ09-_=+/", max_size=9)
    )


@given(st.tuples(parts(), parts(), parts()).map(".".join))
@example("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.")
def test_whatever_comes_is_read_or_refused(token: str) -> None:
    assert is_jwt(token)
    try:
        read_unverified(token)
    except UnauthenticatedError as error:
        assert token not in error.message  # noqa: PT017


@given(data=st.data())
def test_a_token_with_anything_changed_is_refused(
    data: st.DataObject, first_key: SigningKey
) -> None:
    good = first_key.sign(claims_of(ISSUER))
    keys = published(first_key)
    assert verify(good, keys, SETTINGS).subject == "subject-of-carol"
    where = data.draw(st.integers(0, len(good) - 1))
    other = data.draw(st.sampled_from("ABCxyz019-_.=").filter(lambda char: char != good[where]))
    with pytest.raises(UnauthenticatedError):
        verify(good[:where] + other + good[where + 1 :], keys, SETTINGS)


def test_no_keys_are_no_reason_to_believe(first_key: SigningKey) -> None:
    with pytest.raises(UnauthenticatedError, match="a key that its issuer does not have"):
        verify(first_key.sign(claims_of(ISSUER)), list[Key](), SETTINGS)


def test_so_many_tokens_are_remembered_and_no_more() -> None:
    remembered = Remembered()
    verified = Verified(ISSUER, "s", {}, 0.0, "key")
    first = remembered.put("first", verified)
    for number in range(AT_MOST - 1):
        remembered.put(str(number), verified)
    assert remembered.get("first") is first
    remembered.put("one more", verified)
    assert len(remembered) == AT_MOST
    assert remembered.get("first") is first
    assert remembered.get("0") is None
    assert "first" not in repr(first)
