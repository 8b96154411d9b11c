"""A log, folded: what each action means for versions and tags."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

import klarity_storage as ks
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.log import Action, Commit, Delete, Purge, Tag, Untag
from klarity_storage.versions.history import History

NAME = Name("vision", Kind.DATASETS, "cats")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
A, B, C = ("abcd0" + "0" * 59, "abcd1" + "1" * 59, "c" * 64)


def history(*actions: Action) -> History:
    return History(NAME).with_entries(list(enumerate(actions)))


def commit(version: str) -> Commit:
    return Commit(
        at=NOW,
        by="u",
        write_id="w",
        version=version,
        manifest=f"manifest-{A}.parquet",
        files=1,
        bytes=1,
        objects=[],
    )


def tag(name: str, version: str) -> Tag:
    return Tag(at=NOW, by="u", write_id="w", tag=name, version=version)


def delete(version: str) -> Delete:
    return Delete(at=NOW, by="u", write_id="w", version=version)


def test_a_prefix_that_fits_one_version_is_enough() -> None:
    two = history(commit(A), commit(B), commit(C))
    assert two.resolve("abcd0").version == A
    assert two.resolve(A).version == A
    assert two.resolve("cccc").version == C
    with pytest.raises(ks.InvalidReferenceError, match="2 versions") as caught:
        two.resolve("abcd")
    assert A[:16] in (caught.value.hint or "")
    for wrong in ("abc", "abcd2", "prod", C[:-1] + "d"):
        with pytest.raises(ks.VersionNotFoundError, match=wrong):
            two.resolve(wrong)


def test_the_latest_is_the_newest_commit_not_the_newest_content() -> None:
    back = history(commit(A), commit(B), commit(A))
    assert [(info.version, info.seq, info.latest) for info in back.versions()] == [
        (A, 2, True),
        (B, 1, False),
        (A, 0, False),
    ]
    assert back.resolve(None).seq == back.resolve("latest").seq == back.resolve(A).seq == 2


def test_a_tag_may_look_like_no_hash_and_move() -> None:
    moved = history(commit(A), commit(B), tag("prod", A), tag("prod", B), tag("old", A))
    assert moved.resolve("prod").version == B
    assert [info.tags for info in moved.versions()] == [["prod"], ["old"]]
    gone = moved.with_entries([(5, Untag(at=NOW, by="u", write_id="w", tag="prod"))])
    assert [info.tag for info in gone.tags()] == ["old"]


def test_a_deleted_version_is_gone_with_its_tags_but_not_forgotten() -> None:
    less = history(commit(A), commit(B), commit(A), tag("prod", A), delete(A))
    assert [info.version for info in less.versions()] == [B]
    assert less.tags() == []
    assert not less.holds(A)
    assert less.ever_committed == {A, B}
    again = less.with_entries([(5, commit(A))])
    assert [info.seq for info in again.versions()] == [5, 1]


def test_a_history_read_in_steps_is_the_same() -> None:
    actions: list[Action] = [
        commit(A),
        tag("prod", A),
        commit(B),
        delete(A),
        Purge(at=NOW, by="u", write_id="w", objects=["x"]),
        commit(C),
    ]
    whole, steps = history(*actions), History(NAME)
    for entry in enumerate(actions):
        steps = steps.with_entries([entry])
    assert steps == whole
    assert whole.length == 6


def test_an_empty_history_has_nothing_to_resolve() -> None:
    assert history().latest() is None
    with pytest.raises(ks.VersionNotFoundError, match="vision/datasets/cats"):
        history().resolve(None)
