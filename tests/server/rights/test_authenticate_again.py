"""Whether a caller is still who they were, in the midst of a long answer."""

from __future__ import annotations

import pytest

from control_fixture import Control
from klarity_storage.errors import UnauthenticatedError
from klarity_storage.server.catalog.tokens import authenticate, authenticate_again
from klarity_storage.server.rights.actor import Actor, Stranger


def refusal(control: Control, actor: Actor) -> str:
    with pytest.raises(UnauthenticatedError) as caught:
        authenticate_again(control.services, actor)
    return caught.value.message


def test_a_token_of_this_server(control: Control) -> None:
    alice = control.user("alice")
    actor = authenticate(control.services, str(alice.token))
    assert authenticate_again(control.services, actor) == actor
    control.admin.ok("POST", "/v1/groups", {"name": "annotators"})
    control.admin.ok("PUT", "/v1/groups/annotators/members/alice")
    assert "group:annotators" in authenticate_again(control.services, actor).principals
    control.admin.ok("DELETE", f"/v1/tokens/{actor.token_id}")
    assert "the token is revoked" in refusal(control, actor)


def test_an_account_that_is_disabled(control: Control) -> None:
    actor = authenticate(control.services, str(control.user("alice").token))
    signed = Actor("alice", "Alice", administrator=False, token_id="jwt_0123456789abcdef")
    assert authenticate_again(control.services, signed) == signed
    control.admin.ok("POST", "/v1/users/alice/disable")
    assert "the user is disabled" in refusal(control, actor)
    assert "the user is disabled" in refusal(control, signed)
    nobody = Actor("nobody", "", administrator=False, token_id="jwt_0123456789abcdef")
    assert "the user is disabled" in refusal(control, nobody)


def test_a_token_that_is_not_there_and_a_caller_without_one(control: Control) -> None:
    control.user("alice")
    unknown = Actor("alice", "Alice", administrator=False, token_id="token_0123456789abcdef")
    assert "the token is unknown" in refusal(control, unknown)
    stranger = Stranger()
    assert authenticate_again(control.services, stranger) is stranger
