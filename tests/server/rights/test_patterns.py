from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klarity_storage.errors import InvalidInputError
from klarity_storage.layout import Kind
from klarity_storage.server.rights.patterns import Pattern


@pytest.mark.parametrize(
    ("wide", "narrow", "covers"),
    [
        ("vision", "vision", True),
        ("vision", "vision/datasets", True),
        ("vision", "vision/datasets/cats", True),
        ("vision", "vision2", False),
        ("vision", "vision2/datasets/cats", False),
        ("vision/datasets", "vision", False),
        ("vision/datasets", "vision/datasets", True),
        ("vision/datasets", "vision/models", False),
        ("vision/datasets", "vision/datasets/c*", True),
        ("vision/datasets/*", "vision/datasets", True),
        ("vision/datasets/*", "vision", False),
        ("vision/datasets/cats", "vision/datasets/cats", True),
        ("vision/datasets/cats", "vision/datasets/cats2", False),
        ("vision/datasets/cats", "vision/datasets", False),
        ("vision/datasets/cats", "vision/datasets/cat*", False),
        ("vision/datasets/cats*", "vision/datasets/cats", True),
        ("vision/datasets/cats*", "vision/datasets/cats-2", True),
        ("vision/datasets/cats*", "vision/datasets/cats?", True),
        ("vision/datasets/cats*", "vision/datasets/cats-*", True),
        ("vision/datasets/cats*", "vision/datasets/ca*", False),
        ("vision/datasets/cats*", "vision/datasets/dogs", False),
        ("vision/datasets/cat?", "vision/datasets/cats", True),
        ("vision/datasets/cat?", "vision/datasets/cat", False),
        ("vision/datasets/cat?", "vision/datasets/cat*", False),
        ("vision/datasets/cat?", "vision/datasets/cat?", True),
        ("vision/datasets/a.c", "vision/datasets/abc", False),
        ("vision/datasets/?*", "vision/datasets", False),
        ("vision/datasets/?*", "vision/datasets/cats", True),
    ],
)
def test_what_a_pattern_covers(wide: str, narrow: str, covers: bool) -> None:
    assert Pattern.parse(wide).covers(Pattern.parse(narrow)) is covers


GLOBS = st.text("ab*?", min_size=1, max_size=6)
NAMES = st.text("ab", min_size=1, max_size=6)


@given(wide=GLOBS, narrow=GLOBS, name=NAMES)
def test_covering_is_never_more_than_it_says(wide: str, narrow: str, name: str) -> None:
    outer, inner, leaf = (Pattern("vision", Kind.DATASETS, text) for text in (wide, narrow, name))
    if outer.covers(inner) and inner.covers(leaf):
        assert outer.covers(leaf)
    assert outer.covers(outer)


@given(glob=GLOBS, name=NAMES)
def test_globs_mean_what_they_mean_in_a_shell(glob: str, name: str) -> None:
    outer, leaf = (Pattern("vision", Kind.DATASETS, text) for text in (glob, name))
    assert outer.covers(leaf) is fnmatchcase(name, glob)


@given(text=st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        pattern = Pattern.parse(text)
    except InvalidInputError:
        return
    assert str(pattern) == text
    assert "/" not in (pattern.name or "")


def test_the_slowest_glob_is_fast() -> None:
    glob = "*a" * 60
    assert not Pattern("s", Kind.DATASETS, glob).covers(Pattern("s", Kind.DATASETS, "a" * 59 + "b"))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("vision/raw_binary/runs", "Write vision/tables/runs."),
        ("vision/raw_binary", "Write vision/tables."),
        ("vision/pictures", "The kinds are"),
        ("a/b/c/d", "Write space, space/kind or space/kind/name"),
        ("vision/datasets/CATS", "Use a-z"),
    ],
)
def test_a_refusal_says_what_to_write(text: str, hint: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        Pattern.parse(text)
    assert hint in str(refusal.value.hint)


@pytest.mark.parametrize(
    ("scope", "target"),
    [
        ("vision", "vision"),
        ("vision/datasets/cats", "vision/datasets/cats"),
        ("vision/raw_binary/runs", "vision/tables/runs"),
        ("vision/raw_binary", "vision/tables"),
    ],
)
def test_binaries_of_rows_are_covered_by_their_table(scope: str, target: str) -> None:
    assert str(Pattern.of_scope(scope)) == target


@pytest.mark.parametrize(
    "scope", ["", "*", "vision/datasets/c*", "vision//cats", "a/b/c/d", "../x"]
)
def test_a_scope_has_no_globs(scope: str) -> None:
    with pytest.raises(InvalidInputError):
        Pattern.of_scope(scope)
