from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import klarity_storage as ks
from klarity_storage.layout import (
    Kind,
    Name,
    Reference,
    check_object,
    check_path,
    check_tag,
    parse_log_key,
    parse_row_segment,
    row_segment,
)

HASH = "0123456789abcdef" * 4
NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,127}", fullmatch=True)
SAFE = st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\")
SEGMENTS = st.text(SAFE, min_size=1, max_size=20).filter(lambda s: s not in (".", "..", "_ks"))
PATHS = st.lists(SEGMENTS, min_size=1, max_size=5).map("/".join)


@given(NAMES, st.sampled_from(Kind), NAMES, st.none() | NAMES, st.none() | PATHS)
def test_a_reference_is_read_as_it_is_written(
    space: str, kind: Kind, name: str, selector: str | None, path: str | None
) -> None:
    reference = Reference(Name(space, kind, name), selector, path)
    assert Reference.parse(str(reference)) == reference


@given(PATHS)
def test_a_safe_path_stays_as_it_is_and_below_its_version(path: str) -> None:
    assert check_path(path) == path
    key = Name("s", Kind.DATASETS, "n").object_key(f"{HASH}/{path}")
    assert key == f"s/datasets/n/{HASH}/{path}"


@given(st.text(st.characters(), max_size=30))
def test_whatever_passes_cannot_escape(path: str) -> None:
    try:
        check_path(path)
    except ks.InvalidPathError:
        return
    segments = path.split("/")
    assert not {"", ".", ".."} & set(segments)
    assert segments[0] != "_ks"
    assert path.isprintable() or not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in path)
    assert len(path.encode()) <= 1024


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("", "empty"),
        ("/etc/passwd", "begins with a slash"),
        ("../x", r"'\.\.'"),
        ("a/../../x", r"'\.\.'"),
        ("a/./x", r"'\.'"),
        ("a//x", "empty segment"),
        ("a/", "empty segment"),
        ("_ks/manifest", "reserved"),
        ("a\\b", "backslash"),
        ("a\nb", "control character"),
        ("a\x00b", "control character"),
        ("a\x85b", "control character"),
        ("bad\udcff", "UTF-8"),
        ("x" * 251, "250 bytes"),
        ("é" * 126, "250 bytes"),
        ("/".join(["x" * 100] * 11), "1024 bytes"),
    ],
)
def test_a_path_that_could_escape_or_fail_is_refused(path: str, says: str) -> None:
    with pytest.raises(ks.InvalidPathError, match=says):
        check_path(path)


@pytest.mark.parametrize("path", ["a/_ks/b", "...", "..a", "a..", "%2e%2e/x", "_log/1.json", "é ü"])
def test_a_path_that_only_looks_odd_is_kept(path: str) -> None:
    assert check_path(path) == path


def test_a_whole_key_is_bounded() -> None:
    name = Name("s" * 128, Kind.DATASETS, "n" * 128)
    with pytest.raises(ks.InvalidPathError, match="1024"):
        name.object_key(f"{HASH}/" + "/".join(["x" * 200] * 4))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-a",
        ".a",
        "A",
        "a/b",
        "a b",
        "é",
        "a\n",
        "a*",
        "a?",
        "[a]",
        "x" * 129,
        "..",
        "_ks",
        "\uff41",
    ],
)
def test_a_name_that_breaks_the_rule_is_refused(text: str) -> None:
    with pytest.raises(ks.InvalidNameError):
        Name(text, Kind.DATASETS, "cats")
    with pytest.raises(ks.InvalidNameError):
        Name("vision", Kind.DATASETS, text)


@pytest.mark.parametrize(
    "text",
    [
        "vision",
        "vision/datasets",
        "vision/pictures/cats",
        "vision/datasets/cats/x.png",
        "vision/datasets/cats@",
        "vision/datasets/cats@Prod",
        "s3://vision/datasets/cats",
    ],
)
def test_a_reference_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ks.InvalidReferenceError):
        Reference.parse(text)


@pytest.mark.parametrize("tag", ["latest", "cafe", "2024", HASH])
def test_a_tag_that_reads_as_something_else_is_refused(tag: str) -> None:
    with pytest.raises(ks.InvalidNameError, match="cannot be a tag"):
        check_tag(tag)


@pytest.mark.parametrize("tag", ["prod", "v1", "2024-01", "bad", "release.1_x"])
def test_other_tags_are_kept(tag: str) -> None:
    assert check_tag(tag) == tag


@pytest.mark.parametrize(
    "key",
    ["", "a", "/a", f"{HASH}", f"{HASH}/", f"{HASH}/_ks/x", f"{HASH}/../x", f"{HASH.upper()}/a"],
)
def test_an_object_outside_a_version_is_refused(key: str) -> None:
    with pytest.raises(ks.InvalidPathError):
        check_object(key)


def test_a_pack_is_an_object() -> None:
    assert check_object(f"{HASH}/_ks/pack-{HASH}.bin") == f"{HASH}/_ks/pack-{HASH}.bin"


def test_what_only_later_pushes_read_is_no_object() -> None:
    name = Name("s", Kind.MODELS, "manifest-x")
    added = name.added_key(HASH, f"manifest-{HASH}.parquet")
    chunks = name.chunks_key(HASH, HASH)
    assert added == f"{name}/{HASH}/_ks/added-{HASH}.parquet"
    assert chunks == f"{name}/{HASH}/_ks/chunks-{HASH}.parquet"
    for key in (added, chunks):
        with pytest.raises(ks.InvalidPathError):
            check_object(key.removeprefix(name.prefix))
    with pytest.raises(ks.InvalidReferenceError):
        name.added_key(HASH, f"added-{HASH}.parquet")
    with pytest.raises(ks.InvalidReferenceError):
        name.chunks_key(HASH, "x")


@given(st.integers(0, 10**20 - 1))
def test_a_log_key_is_read_as_it_is_written(number: int) -> None:
    assert parse_log_key(Name("s", Kind.MODELS, "n").log_key(number)) == number


@pytest.mark.parametrize(
    "key", ["s/models/n/_log/7.json", "s/models/n/_log/" + "0" * 20 + ".json#1"]
)
def test_other_keys_are_no_log_entries(key: str) -> None:
    assert parse_log_key(key) is None


def test_every_prefix_ends_in_a_slash() -> None:
    name = Name("vision", Kind.DATASETS, "cats")
    assert {p[-1] for p in (name.prefix, name.log_prefix, name.version_prefix(HASH))} == {"/"}


@given(st.text(min_size=1, max_size=60))
def test_a_rows_index_comes_back_from_its_segment(row: str) -> None:
    try:
        segment = row_segment(row)
    except ks.InvalidPathError:
        return
    assert parse_row_segment(segment) == row
    assert check_path(segment) == segment
    assert re.fullmatch(r"[A-Za-z0-9~-][A-Za-z0-9._~-]*", segment)


@pytest.mark.parametrize("segment", ["~4", "~zz", "~C3~BC", "~41", "a b", "", "~ff", ".x", "_x"])
def test_what_no_row_is_written_as_is_none(segment: str) -> None:
    assert parse_row_segment(segment) is None
