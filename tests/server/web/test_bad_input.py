"""What is refused, by what sentence, and that nothing was uploaded or switched."""

from __future__ import annotations

from pathlib import Path

import pytest

import klarity_storage as ks
from conftest import PlantTree
from web_fixture import Front


def nothing_was_published(front: Front) -> None:
    assert front.storage.get_artefacts(front.space) == []
    names = front.storage.collect_garbage(front.space)
    assert [garbage.objects for _, garbage in names] == []


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({"app.js": b"1"}, "has no index.html"),
        ({"dist/index.html": b"<p>"}, "has no index.html"),
        ({"index.html": b'<!--#include virtual="/head.html" --><p>'}, "server-side include"),
        ({"index.html": b"<p>", "a/b.shtml": b'<!--# exec cmd="id" -->'}, "'a/b.shtml' holds"),
        ({"index.html": b"<p>", "deployment.json": b"{}"}, "'deployment.json' is the address"),
        ({"index.html": b"<p>", "_ks/x.js": b"1"}, "reserved"),
        ({"index.html": b"<p>", "a\nb.js": b"1"}, "control character"),
    ],
)
def test_what_is_no_front_end(
    front: Front, plant: PlantTree, tree: dict[str, bytes], said: str
) -> None:
    with pytest.raises(ks.InvalidInputError, match=said) as refused:
        front.storage.publish_web(front.app, plant(tree))
    assert refused.value.hint
    nothing_was_published(front)


@pytest.mark.parametrize("target", ["index.html", "assets", "/etc/hostname", "nowhere"])
def test_links(front: Front, plant: PlantTree, target: str) -> None:
    root = plant({"index.html": b"<p>", "assets/x.js": b"1"})
    (root / "link").symlink_to(target)
    with pytest.raises(ks.InvalidPathError, match="link"):
        front.storage.publish_web(front.app, root)
    nothing_was_published(front)


def test_a_comment_that_is_no_include_and_a_script_that_speaks_of_one(
    front: Front, plant: PlantTree
) -> None:
    tree = {"index.html": b"<!-- #include --><!--# --><p>", "a.js": b'"<!--#include x -->"'}
    assert front.storage.publish_web(front.app, plant(tree)).info.files == 2


def test_places_that_are_not_there(front: Front, tmp_path: Path, plant: PlantTree) -> None:
    with pytest.raises(ks.FileMissingError):
        front.storage.publish_web(front.app, tmp_path / "nowhere")
    root = plant({"index.html": b"<p>"})
    for app in ("UP", "a/b/c/d", f"{front.space}/datasets/kd-front", "no space/kd"):
        with pytest.raises(ks.InvalidInputError):
            front.storage.publish_web(app, root)
    with pytest.raises(ks.SpaceNotFoundError):
        front.storage.publish_web("no-such-space/kd-front", root)
    with ks.connect(tmp_path / "store") as local:
        assert local.publish_web("web/kd-front", root).info.files == 1
        with pytest.raises(ks.InvalidInputError, match="shows no pages"):
            local.deploy_web("prod", "web/kd-front")


def test_versions_that_cannot_be_shown(front: Front, plant: PlantTree) -> None:
    storage, app = front.storage, f"{front.space}/artefacts/kd-front"
    version = front.deploy("prod", "one")
    gone = front.publish("two")
    storage.delete(f"{app}@{gone}")
    with pytest.raises(ks.VersionNotFoundError, match=r"@\w{12} was deleted on 20") as refused:
        storage.deploy_web("prod", f"{front.app}@{gone[:10]}")
    assert "Publish it again" in str(refused.value.hint)
    for selector in ("0" * 64, "never", "abcd"):
        with pytest.raises(ks.VersionNotFoundError):
            storage.deploy_web("prod", f"{front.app}@{selector}")
    with pytest.raises(ks.VersionNotFoundError, match="There is no"):
        storage.deploy_web("prod", f"{front.space}/never")
    storage.push(f"{front.space}/artefacts/plain", plant({"a.txt": b"1"}, "plain"))
    with pytest.raises(ks.InvalidInputError, match=r"has no index\.html"):
        storage.deploy_web("prod", f"{front.space}/plain")
    tree = {"index.html": b"<p>", "deployment.json": b"{}"}
    storage.push(f"{front.space}/artefacts/own", plant(tree, "own"))
    with pytest.raises(ks.InvalidInputError, match="address at which a deployment"):
        storage.deploy_web("prod", f"{front.space}/own")
    with pytest.raises(ks.InvalidReferenceError, match="not a front end"):
        storage.deploy_web("test", f"{front.space}/prod.deployment")
    assert storage.get_deployment(f"{front.space}/prod").release.version == version
    assert len(storage.get_releases(f"{front.space}/prod")) == 1


@pytest.mark.parametrize("name", ["UP", "-x", "a b", "../x", "x" * 120, "a/b/c", ""])
def test_names_that_no_deployment_can_have(front: Front, name: str) -> None:
    front.publish("one")
    with pytest.raises(ks.InvalidInputError):
        front.storage.deploy_web(f"{front.space}/{name}", front.app)


def test_data_that_cannot_be_pinned(front: Front, plant: PlantTree) -> None:
    admin, storage = front.server.admin, front.storage
    front.publish("one")
    report = f"{front.space}/artefacts/report"
    storage.push(report, plant({"a": b"1"}, "report"))
    trials = admin.create_space(f"{front.space}-trials", bucket="trials").key
    admin.push(f"{trials}/artefacts/report", plant({"a": b"1"}, "trial"))
    for data, said in (
        ([f"{front.space}/tables/runs"], "not a version of an artefact"),
        ([f"ks://{report}/a"], "not a version of an artefact"),
        ([report, f"{report}@latest"], "pinned twice"),
        ([f"{front.space}/artefacts/r{number}" for number in range(101)], "100 versions at most"),
        (["nonsense"], "not a reference"),
    ):
        with pytest.raises(ks.InvalidInputError, match=said):
            storage.deploy_web("prod", front.app, data=data)
    with pytest.raises(ks.InvalidInputError, match="expires by itself"):
        admin.deploy_web("prod", front.app, data=[f"{trials}/artefacts/report"])
    assert front.at("prod")("").status == 404


def test_what_is_not_public_is_not_shown(front: Front, plant: PlantTree) -> None:
    admin = front.server.admin
    closed = admin.create_space(f"{front.space}-closed", bucket="closed").key
    plain = admin.create_space(f"{front.space}-plain").key
    version = front.publish("one")
    for space in (closed, plain):
        admin.publish_web(f"{space}/kd-front", plant({"index.html": b"<p>"}, space))
        with pytest.raises(ks.InvalidInputError, match="is not public") as refused:
            admin.deploy_web("prod", f"{space}/kd-front")
        assert "strategy = 'web'" in str(refused.value.hint)
        with pytest.raises(ks.InvalidInputError, match="is not public"):
            admin.deploy_web(f"{space}/prod", f"{front.app}@{version}")


def test_a_release_that_was_pushed_by_hand_shows_nothing(front: Front, plant: PlantTree) -> None:
    front.deploy("prod", "one")
    name = f"{front.space}/artefacts/prod.deployment"
    forged = plant({"deployment.json": b'{"app": "x"}'}, "forged")
    lineage = [f"{front.space}/artefacts/kd-front"]
    front.storage.push(name, forged, lineage=lineage)
    assert b"<title>one" in front.at("prod")("").body
    assert len(front.storage.get_releases(f"{front.space}/prod")) == 1


def test_a_name_alone_needs_one_space_for_front_ends(front: Front, plant: PlantTree) -> None:
    with pytest.raises(ks.InvalidReferenceError, match=r"Which space\?") as refused:
        front.storage.publish_web("kd-front", plant({"index.html": b"<p>"}))
    assert "Write " in str(refused.value.hint)
    assert "/kd-front" in str(refused.value.hint)
