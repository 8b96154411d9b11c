"""A version that something shows is not deleted unawares."""

from __future__ import annotations

from pathlib import Path

import pytest
from obstore.store import LocalStore, ObjectStore

import klarity_storage as ks
from conftest import PlantTree
from klarity_storage.layout import Kind, Name
from klarity_storage.versions.delete import delete_version
from klarity_storage.versions.history import History, read_history
from klarity_storage.versions.pin import pin_version, unpin_versions

NAME = Name("web", Kind.ARTEFACTS, "front")


@pytest.fixture
def versions(tmp_path: Path, plant: PlantTree) -> list[str]:
    """Two versions, the older one first."""
    with ks.connect(tmp_path / "store") as storage:
        return [
            storage.push(str(NAME), plant({"index.html": text.encode()}, text)).hash
            for text in ("one", "two")
        ]


@pytest.fixture
def store(tmp_path: Path, versions: list[str]) -> ObjectStore:
    return LocalStore(tmp_path / "store")


def pin(store: ObjectStore, version: str, holder: str, history: History | None = None) -> bool:
    return pin_version(store, NAME, version, holder, by="user:alice", history=history) is not None


def test_a_pinned_version_stays_until_its_last_holder_lets_it_go(
    store: ObjectStore, versions: list[str]
) -> None:
    holders = ("web/prod", "web/test", "web/prod")
    assert [pin(store, versions[0], holder) for holder in holders] == [True, True, False]
    history = read_history(store, NAME)
    assert history.length == 4  # the third pin said nothing new
    assert history.holders(versions[0]) == ["web/prod", "web/test"]
    with pytest.raises(ks.ConflictError, match="kept for web/prod, web/test") as refused:
        delete_version(store, NAME, versions[0][:8], by="user:alice", untag=True)
    assert refused.value.hint is not None
    assert "ks web remove web/prod" in refused.value.hint
    for holder in ("web/prod", "web/test", "web/other"):
        unpin_versions(store, NAME, versions, holder, by="user:alice")
    delete_version(store, NAME, versions[0], by="user:alice")
    assert not read_history(store, NAME).holds(versions[0])


def test_pins_of_one_holder_are_let_go_one_by_one(store: ObjectStore, versions: list[str]) -> None:
    made = [
        pin_version(store, NAME, versions[0], "web/prod", by="user:alice", entry=entry, renew=True)
        for entry in (3, 5)
    ]
    pins = read_history(store, NAME).pins(versions[0], "web/prod")
    assert [(pin.write_id, pin.entry) for pin in pins] == list(zip(made, (3, 5), strict=True))

    def let_go(before: int) -> list[str]:
        unpin_versions(
            store,
            NAME,
            versions,
            "web/prod",
            by="user:alice",
            gone=lambda pin: pin.entry is not None and pin.entry < before,
        )
        return read_history(store, NAME).holders(versions[0])

    assert let_go(4) == ["web/prod"]
    assert [pin.entry for pin in read_history(store, NAME).pins(versions[0], "web/prod")] == [5]
    assert let_go(6) == []


def test_an_owner_who_insists_has_it_deleted(store: ObjectStore, versions: list[str]) -> None:
    pin(store, versions[0], "web/prod")
    delete_version(store, NAME, versions[0], by="user:alice", unpin=True)
    assert read_history(store, NAME).holders(versions[0]) == []
    with pytest.raises(ks.VersionNotFoundError):
        pin(store, versions[0], "web/prod")


def test_a_deletion_and_a_pin_are_never_both_appended(
    store: ObjectStore, versions: list[str]
) -> None:
    """Whoever decided by an older state of the log decides again."""
    before = read_history(store, NAME)
    pin(store, versions[0], "web/prod")
    with pytest.raises(ks.ConflictError):
        delete_version(store, NAME, versions[0], by="user:bob", history=before)
    delete_version(store, NAME, versions[1], by="user:bob", history=before)
    with pytest.raises(ks.VersionNotFoundError):
        pin(store, versions[1], "web/prod", before)


def test_it_is_told_why_it_is_kept(tmp_path: Path, store: ObjectStore, versions: list[str]) -> None:
    pin(store, versions[0], "web/prod")
    with ks.connect(tmp_path / "store") as storage:
        found = storage.why(f"{NAME}@{versions[0]}")
        assert found.because == ("The deployment web/prod shows it, or can be rolled back to it.",)
        with pytest.raises(ks.ConflictError):
            storage.delete(f"{NAME}@{versions[0]}")
        storage.delete(f"{NAME}@{versions[0]}", unpin=True)
