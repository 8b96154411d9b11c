from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from klarity_storage.versions.diff import Change, FileChange, diff
from klarity_storage.versions.manifest import Manifest
from versions.support import file_info

Tree = dict[str, bytes]
TREES = st.dictionaries(
    st.sampled_from(["a", "b", "c/d", "c/e", "f"]), st.sampled_from([b"", b"1", b"22", b"33"])
)


def manifest(tree: Tree) -> Manifest:
    return Manifest.of(file_info(path, data) for path, data in tree.items())


def test_each_change_is_told_with_its_sizes() -> None:
    old = {"same": b"s", "gone": b"1234", "edited": b"12", "before": b"moved!"}
    new = {"same": b"s", "fresh": b"123", "edited": b"123456", "after": b"moved!"}

    found = diff(manifest(old), manifest(new))

    assert list(found) == [
        FileChange(Change.RENAMED, "after", "before", 6, 6),
        FileChange(Change.CHANGED, "edited", None, 6, 2),
        FileChange(Change.ADDED, "fresh", None, 3, None),
        FileChange(Change.REMOVED, "gone", None, None, 4),
    ]
    assert (found.new_bytes(), found.old_bytes()) == (9, 6)
    assert found.total_files == 4


def test_the_same_tree_does_not_differ() -> None:
    tree = {"a": b"1", "b": b""}
    assert not list(diff(manifest(tree), manifest(tree)))


@given(TREES, TREES)
def test_the_changes_turn_one_tree_into_the_other(old: Tree, new: Tree) -> None:
    now = dict(old)
    for file in diff(manifest(old), manifest(new)):
        match file.change:
            case Change.REMOVED:
                assert file.old_size == len(now.pop(file.path))
            case Change.RENAMED:
                assert now.pop(str(file.old_path)) == new[file.path]
            case Change.CHANGED:
                assert file.old_size == len(old[file.path])
                assert new[file.path] != old[file.path]
            case Change.ADDED:
                assert file.path not in old
    came = {path: data for path, data in new.items() if now.get(path) != data}
    told = [file for file in diff(manifest(old), manifest(new)) if file.change != Change.REMOVED]
    assert set(came) == {file.path for file in told}
    assert set(now) <= set(new)
    for file in told:
        assert file.size == len(new[file.path])
