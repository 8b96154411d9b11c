from __future__ import annotations

import fnmatch
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klarity_storage.errors import InternalError
from klarity_storage.layout import Kind, Name, kind_prefix, raw_binary_prefix, space_prefix
from klarity_storage.server.credentials.policy import compile_policy

names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,127}", fullmatch=True)
keys = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60)
prefixes = st.builds(
    lambda space, kind, name: Name(space, kind, name).prefix, names, st.sampled_from(Kind), names
)


def allows(policy: dict[str, Any], action: str, key: str) -> bool:
    """What IAM would say: a glob over the resource, allowed where it is named and never denied."""
    resource = f"arn:aws:s3:::bucket/{key}"
    effects = {
        statement["Effect"]
        for statement in policy["Statement"]
        if action in statement["Action"]
        and any(fnmatch.fnmatchcase(resource, pattern) for pattern in statement["Resource"])
    }
    return effects == {"Allow"}


def allows_list(policy: dict[str, Any], prefix: str) -> bool:
    return any(
        "s3:ListBucket" in statement["Action"]
        and any(
            fnmatch.fnmatchcase(prefix, pattern)
            for pattern in statement["Condition"]["StringLike"]["s3:prefix"]
        )
        for statement in policy["Statement"]
    )


@given(prefix=prefixes, key=keys)
def test_a_key_is_readable_exactly_when_it_lies_below_the_prefix(prefix: str, key: str) -> None:
    policy = compile_policy("bucket", read=[prefix])
    assert allows(policy, "s3:GetObject", prefix + key)
    assert allows(policy, "s3:GetObject", key) == key.startswith(prefix)
    assert not allows(policy, "s3:GetObject", prefix.removesuffix("/"))
    assert not allows(policy, "s3:GetObject", prefix.removesuffix("/") + "2/" + key)


@given(prefix=prefixes, key=keys)
def test_a_list_is_allowed_exactly_at_or_below_the_prefix(prefix: str, key: str) -> None:
    policy = compile_policy("bucket", read=[prefix])
    assert allows_list(policy, prefix)
    assert allows_list(policy, prefix + key)
    assert not allows_list(policy, "")
    assert not allows_list(policy, prefix.removesuffix("/"))
    assert allows_list(policy, key) == key.startswith(prefix)


@given(read=st.lists(prefixes, min_size=1, max_size=3), write=prefixes, key=keys)
def test_nothing_is_written_outside_the_written_prefix(
    read: list[str], write: str, key: str
) -> None:
    policy = compile_policy("bucket", read=read, write=[write])
    assert allows(policy, "s3:PutObject", write + key)
    for prefix in read:
        assert allows(policy, "s3:PutObject", prefix + key) == (prefix + key).startswith(write)


@given(read=st.lists(prefixes, min_size=1, max_size=3), write=st.lists(prefixes, max_size=2))
def test_no_policy_names_a_wildcard_action_a_deletion_or_the_whole_bucket(
    read: list[str], write: list[str]
) -> None:
    policy = compile_policy("bucket", read=read, write=write)
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        for action in statement["Action"]:
            assert "*" not in action
            assert "Delete" not in action
        for resource in statement["Resource"]:
            bare = resource == "arn:aws:s3:::bucket"
            assert resource.endswith("/*") != bare
            assert resource != "arn:aws:s3:::bucket/*"
            assert bare == (statement["Action"] == ["s3:ListBucket"])
    assert json.loads(json.dumps(policy)) == policy


@given(prefix=prefixes, key=keys)
def test_deleting_is_allowed_below_its_prefix_but_not_below_what_is_kept(
    prefix: str, key: str
) -> None:
    kept = f"{prefix}_delta_log/"
    policy = compile_policy("bucket", read=[prefix], delete=[prefix], keep=[kept])
    assert allows(policy, "s3:DeleteObject", prefix + key) != key.startswith("_delta_log/")
    assert not allows(policy, "s3:DeleteObject", kept + key)
    assert allows(policy, "s3:GetObject", kept + key)
    assert not allows(policy, "s3:PutObject", prefix + key)
    assert not allows(policy, "s3:DeleteObject", prefix.removesuffix("/") + "2/" + key)


def test_the_longest_names_fit_into_a_session_policy_of_aws() -> None:
    table, model = (Name("s" * 128, kind, "n" * 128) for kind in (Kind.TABLES, Kind.MODELS))
    rows = [table.prefix, raw_binary_prefix(table)]
    for policy in (
        compile_policy("b" * 63, read=rows, write=rows),
        compile_policy("b" * 63, read=rows, delete=rows),
        compile_policy(
            "b" * 63,
            read=[table.prefix],
            write=[table.prefix],
            delete=[table.prefix],
            keep=[f"{table.prefix}_delta_log/"],
        ),
        compile_policy("b" * 63, read=[model.prefix], write=[model.version_prefix("0" * 64)]),
    ):
        assert len(json.dumps(policy, separators=(",", ":"))) <= 2048


@pytest.mark.parametrize(
    "prefix",
    ["", "/", "vision", "vision/*/", "vi?ion/", "vision//", "/vision/", "../", "${aws:username}/"],
)
def test_a_prefix_that_would_say_more_than_it_seems_is_refused(prefix: str) -> None:
    with pytest.raises(InternalError):
        compile_policy("bucket", read=[prefix])
    with pytest.raises(InternalError):
        compile_policy("bucket", read=["vision/"], write=[prefix])


def test_an_empty_policy_is_never_made() -> None:
    with pytest.raises(InternalError):
        compile_policy("bucket", read=[])


@pytest.mark.parametrize("prefix", [space_prefix("vision"), kind_prefix("vision", Kind.TABLES)])
def test_a_space_and_a_kind_can_be_read_whole(prefix: str) -> None:
    assert allows(compile_policy("bucket", read=[prefix]), "s3:GetObject", f"{prefix}a/b")
