"""Switching, going back, taking down: by one write each, by whom it is allowed to."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import msgspec
import pytest

import klarity_storage as ks
from conftest import PlantTree
from klarity_storage.protocol.web import Document
from web_fixture import Front


def shown(front: Front, deployment: str = "prod") -> str | None:
    found = front.at(deployment)("deployment.json")
    return msgspec.json.decode(found.body, type=Document).version if found.status == 200 else None


def test_a_version_is_shown_from_the_next_load_on_and_the_old_one_stays_reachable(
    front: Front,
) -> None:
    one = front.deploy("prod", "one", **{"assets/gone.js": "of one alone", "old.html": "<p>"})
    at = front.at("prod")
    assert b"<title>one" in at("").body
    two = front.deploy("prod", "two")
    assert b"<title>two" in at("").body
    assert at("assets/later.js").body == b'export default "later of two";\n'
    for version, text in ((one, b"one"), (two, b"two")):
        by_version = at(f"_ks/{version}/assets/later.js")
        assert by_version.body == b'export default "later of ' + text + b'";\n'
        assert "immutable" in by_version["cache-control"]
    # by an address without a version, as a page has it that was built with absolute ones
    assert at("assets/gone.js").body == b"of one alone"
    assert at("old.html").status == 404


def test_deploying_the_same_again_changes_nothing(front: Front) -> None:
    version = front.deploy("prod", "one")
    for reference in (f"{front.app}@{version[:8]}", front.app, f"{front.app}@latest"):
        front.storage.deploy_web("prod", reference)
    assert len(front.storage.get_releases(f"{front.space}/prod")) == 1
    assert front.publish("one") == version


def test_one_version_may_be_shown_by_several_deployments(front: Front) -> None:
    version = front.deploy("prod", "one")
    front.storage.tag(f"{front.space}/artefacts/kd-front@{version}", "good")
    front.storage.deploy_web(f"{front.space}/test", f"{front.app}@good")
    front.deploy("prod", "two")
    assert shown(front, "test") == version
    found = front.storage.get_deployments(front.space)
    assert [deployment.name for deployment in found] == ["prod", "test"]
    assert front.storage.get_deployment(f"{front.space}/test").path == f"/web/{front.space}/test/"


def test_rollbacks_go_further_back_each_time(front: Front) -> None:
    name = f"{front.space}/prod"
    versions = [front.deploy("prod", text) for text in ("one", "two", "three")]
    front.storage.rollback_web(name, message="broken")
    assert shown(front) == versions[1]
    front.storage.rollback_web(name)
    assert shown(front) == versions[0]
    with pytest.raises(ks.VersionNotFoundError, match="no release before"):
        front.storage.rollback_web(name)
    history = front.storage.get_releases(name)
    assert [r.version for r in history] == [versions[i] for i in (0, 1, 2, 1, 0)]
    assert [r.rollback for r in history] == [True, True, False, False, False]
    assert [r.current for r in history] == [True, False, False, False, False]
    assert history[1].message == "broken"
    newest = history[2].release
    assert front.storage.rollback_web(name, to=newest[:8]).release.version == versions[2]
    for to, error in (
        ("0" * 8, ks.VersionNotFoundError),
        ("zzzzzz", ks.VersionNotFoundError),
        (newest[:2], ks.InvalidReferenceError),
    ):
        with pytest.raises(error):
            front.storage.rollback_web(name, to=to)


def test_data_move_with_the_front_end(front: Front, plant: PlantTree) -> None:
    name, report = f"{front.space}/prod", f"{front.space}/artefacts/report"
    first = front.storage.push(report, plant({"a": b"1"}, "first")).hash
    one = front.publish("one")
    deployed = front.storage.deploy_web("prod", f"{front.app}@{one}", data=[f"{report}@latest"])
    assert deployed.release.data == {report: first}
    second = front.storage.push(report, plant({"a": b"2"}, "second")).hash
    at = front.at("prod")
    assert first.encode() in at("deployment.json").body  # a tag is resolved when it is deployed
    front.storage.deploy_web("prod", f"{front.app}@{one}", data=[f"{report}@{second[:6]}"])
    found = msgspec.json.decode(at("deployment.json").body, type=Document)
    assert found == Document(
        deployment=name, app=f"{front.space}/artefacts/kd-front", version=one, data={report: second}
    )
    page = at("").body.decode()
    address = page.partition('rel="deployment" href="')[2].partition('"')[0]
    front.storage.rollback_web(name)
    assert first.encode() in at("deployment.json").body
    old = at(address.partition("/prod/")[2])  # as a page has it that was loaded before
    assert second.encode() in old.body
    assert "immutable" in old["cache-control"]
    lineage = front.storage.lineage(f"{report}@{first}")
    assert lineage.made_into == [
        f"{front.space}/artefacts/prod.deployment@{deployed.release.release}"
    ]


def test_what_is_shown_or_can_be_rolled_back_to_is_not_deleted(
    front: Front, plant: PlantTree
) -> None:
    name, report = f"{front.space}/prod", f"{front.space}/artefacts/report"
    data = front.storage.push(report, plant({"a": b"1"}, "first")).hash
    app = f"{front.space}/artefacts/kd-front"
    one = front.publish("one")
    front.storage.deploy_web("prod", f"{front.app}@{one}", data=[f"{report}@{data}"])
    later = [front.deploy("prod", text) for text in ("two", "three")]
    for reference in (f"{app}@{one}", f"{app}@{later[1]}", f"{report}@{data}"):
        with pytest.raises(ks.ConflictError, match=f"kept for {name}") as refused:
            front.storage.delete(reference, untag=True)
        assert f"ks web remove {name}" in str(refused.value.hint)
        assert f"The deployment {name} shows it" in front.storage.why(reference).because[0]
    assert [r.kept for r in front.storage.get_releases(name)] == [True, True, True]
    front.deploy("prod", "four")  # the server keeps three releases
    assert [r.kept for r in front.storage.get_releases(name)] == [True, True, True, False]
    for reference in (f"{app}@{one}", f"{report}@{data}"):
        front.storage.delete(reference)
    first = front.storage.get_releases(name)[-1].release
    with pytest.raises(ks.VersionNotFoundError):
        front.storage.rollback_web(name, to=first)
    assert b"<title>four" in front.at("prod")("").body
    (_, garbage), *_ = front.storage.collect_garbage(app, grace=timedelta(0), dry_run=False)
    assert garbage.objects
    for version in later:
        assert front.at("prod")(f"_ks/{version}/assets/later.js").status == 200


def test_an_owner_who_insists_breaks_nothing_else(front: Front) -> None:
    one = front.deploy("prod", "one")
    front.deploy("prod", "two")
    front.storage.delete(f"{front.space}/artefacts/kd-front@{one}", unpin=True)
    at = front.at("prod")
    assert at(f"_ks/{one}/assets/later.js").status == 404
    assert at("").status == 200
    with pytest.raises(ks.VersionNotFoundError):
        front.storage.rollback_web(f"{front.space}/prod")
    assert at("").status == 200


def test_a_deployment_that_is_taken_down_keeps_nothing_but_its_history(front: Front) -> None:
    name, app = f"{front.space}/prod", f"{front.space}/artefacts/kd-front"
    one, two = front.deploy("prod", "one"), front.deploy("prod", "two")
    front.storage.remove_deployment(name)
    assert front.at("prod")("").status == 404
    assert front.storage.get_deployments(front.space) == []
    for read in (front.storage.get_deployment, front.storage.remove_deployment):
        with pytest.raises(ks.NotFoundError, match=f"no deployment {name}"):
            read(name)
    assert [r.version for r in front.storage.get_releases(name)] == [None, two, one]
    front.storage.rollback_web(name)
    assert shown(front) == two
    front.storage.remove_deployment(name)
    front.storage.delete(f"{app}@{two}")
    front.storage.delete(f"{app}@{one}")
    with pytest.raises(ks.VersionNotFoundError):
        front.storage.rollback_web(name)


def test_a_release_that_an_owner_deletes_holds_nothing_for_long(front: Front) -> None:
    name, app = f"{front.space}/prod", f"{front.space}/artefacts/kd-front"
    one = front.deploy("prod", "one")
    gone = front.storage.get_deployment(name).release.release
    front.deploy("prod", "two")
    front.storage.delete(f"{front.space}/artefacts/prod.deployment@{gone}")
    assert len(front.storage.get_releases(name)) == 1
    with pytest.raises(ks.ConflictError):
        front.storage.delete(f"{app}@{one}")
    front.deploy("prod", "three")
    front.storage.delete(f"{app}@{one}")


def test_a_deployment_that_fails_keeps_nothing(front: Front) -> None:
    app = f"{front.space}/artefacts/kd-front"
    one, two = front.deploy("prod", "one"), front.publish("two")
    front.server.admin.admin.set_quota(front.space, max_bytes=1)
    with pytest.raises(ks.QuotaError):
        front.storage.deploy_web("prod", f"{front.app}@{two}")
    assert shown(front) == one
    front.storage.delete(f"{app}@{two}")
    with pytest.raises(ks.ConflictError):
        front.storage.delete(f"{app}@{one}")


def test_compressed_forms_go_with_their_version(front: Front) -> None:
    app = f"{front.space}/artefacts/kd-front"
    version = front.publish("one")
    front.publish("two")
    (_, nothing), *_ = front.storage.collect_garbage(app, grace=timedelta(0))
    assert nothing.objects == 0
    front.storage.delete(f"{app}@{version}")
    (_, garbage), *_ = front.storage.collect_garbage(app, grace=timedelta(0), dry_run=False)
    keys = [item.key.rpartition("/")[2] for item in garbage.items]
    assert len([key for key in keys if key.startswith("encoded-")]) == 2
    front.deploy("prod", "two")
    assert front.at("prod")("assets/index.js", accept_encoding="br")["content-encoding"] == "br"


def test_of_deployments_at_once_none_is_lost(front: Front) -> None:
    versions = [front.publish(f"v{number}") for number in range(6)]
    front.storage.deploy_web("prod", f"{front.app}@{versions[0]}")
    with ThreadPoolExecutor(5) as pool:
        done = [
            pool.submit(front.storage.deploy_web, "prod", f"{front.app}@{version}")
            for version in versions[1:]
        ]
        for each in done:
            each.result()
    history = front.storage.get_releases(f"{front.space}/prod")
    assert sorted(str(r.version) for r in history) == sorted(versions)
    assert shown(front) == history[0].version
    kept = {r.version for r in history if r.kept}
    for version in kept:
        with pytest.raises(ks.ConflictError):
            front.storage.delete(f"{front.space}/artefacts/kd-front@{version}")


def test_rollbacks_that_begin_at_once_are_one_step(front: Front) -> None:
    name = f"{front.space}/prod"
    versions = [front.deploy("prod", text) for text in ("one", "two", "three")]

    def roll_back(_: int) -> bool:
        try:
            front.storage.rollback_web(name)
        except (ks.ConflictError, ks.VersionNotFoundError):
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert any(pool.map(roll_back, range(4)))
    steps = len(front.storage.get_releases(name)) - len(versions)
    assert 1 <= steps <= 2  # those that began together went to the same release
    assert shown(front) == versions[2 - steps]


def test_who_may_publish_need_not_be_who_deploys(front: Front, plant: PlantTree) -> None:
    app, name = f"{front.space}/artefacts/kd-front", f"{front.space}/artefacts/prod.deployment"
    version = front.publish("one")
    builder = front.server.user(("writer", app))
    releaser = front.server.user(("writer", name))
    visitor = front.server.user()
    reference = f"{front.app}@{version}"
    for other in (builder, visitor):
        with pytest.raises(ks.ForbiddenError):
            other.deploy_web("prod", reference)
    releaser.deploy_web("prod", reference)
    with pytest.raises(ks.ForbiddenError):
        releaser.publish_web(front.app, plant({"index.html": b"<p>"}))
    two = front.publish("two")
    releaser.deploy_web("prod", f"{front.app}@{two}")
    with pytest.raises(ks.ForbiddenError):
        builder.rollback_web(f"{front.space}/prod")
    releaser.rollback_web(f"{front.space}/prod")
    with pytest.raises(ks.ForbiddenError, match="may not administer"):
        releaser.remove_deployment(f"{front.space}/prod")
    assert visitor.get_deployment(f"{front.space}/prod").release.version == version  # it is public
    events = front.server.admin.admin.get_audit(what=name)
    assert {(e.operation, e.allowed) for e in events} >= {
        ("deploy_front_end", True),
        ("deploy_front_end", False),
        ("roll_back", True),
        ("remove_deployment", False),
    }


def test_a_pin_takes_the_right_to_read_and_gives_none(front: Front, plant: PlantTree) -> None:
    admin = front.server.admin
    closed = admin.create_space(f"{front.space}-data").key
    report = f"{closed}/artefacts/report"
    version = admin.push(report, plant({"a": b"1"})).hash
    front.publish("one")
    for reference in (report, f"{report}@{version}", f"{closed}/artefacts/never"):
        with pytest.raises(ks.VersionNotFoundError, match="There is no"):
            front.storage.deploy_web("prod", front.app, data=[reference])
    assert shown(front) is None
    admin.admin.create_grant(front.storage.whoami().principal, "reader", report)
    front.storage.deploy_web("prod", front.app, data=[report])
    assert version.encode() in front.at("prod")("deployment.json").body
    stranger = front.server.user()
    with pytest.raises(ks.VersionNotFoundError):
        stranger.get_version(f"{report}@{version}")
    with pytest.raises(ks.ConflictError, match=f"{front.space}/prod"):
        admin.delete(f"{report}@{version}")
    admin.delete(f"{report}@{version}", unpin=True)  # its owner has the last word
