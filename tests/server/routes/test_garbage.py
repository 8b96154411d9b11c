from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest

from control_fixture import Api, Control
from klarity_storage.protocol.versions import VersionInfo

pytestmark = pytest.mark.real

Push = Callable[[Api, str, dict[str, bytes]], VersionInfo]


def test_an_owner_deletes_and_a_writer_does_not(real: Control, push: Push, space: str) -> None:
    writer, owner = real.user("wendy"), real.user("olga")
    real.space(space)
    real.grant("user:wendy", "writer", f"{space}/datasets")
    real.grant("user:olga", "owner", f"{space}/datasets")
    first = push(writer, f"{space}/datasets/cats", {"a": b"1"})
    base = f"/v1/spaces/{space}/datasets/cats"
    one = f"{base}/versions/{first.version}"

    assert writer.fails(403, "DELETE", one)["code"] == "forbidden"
    assert writer.fails(403, "POST", f"{base}/gc", {"dry_run": True})["code"] == "forbidden"
    owner.ok("PUT", f"{base}/tags/prod", {"version": "latest"})
    assert owner.fails(409, "DELETE", one)["hint"] == f"ks tag rm {space}/datasets/cats prod"
    owner.ok("DELETE", f"{one}?untag=true&reason=wrong")
    assert owner.fails(404, "DELETE", one)["code"] == "version_not_found"
    assert owner.fails(404, "GET", f"{base}/versions")["code"] == "version_not_found"

    young = owner.ok("POST", f"{base}/gc", {"dry_run": False})
    assert (young["objects"], young["young"]) == (0, 2)
    old = owner.ok("POST", f"{base}/gc", {"dry_run": False, "grace": 0})
    assert (old["objects"], old["more"]) == (2, False)
    again = push(writer, f"{space}/datasets/cats", {"a": b"1"})
    assert (again.version, again.by) == (first.version, "user:wendy")
    lines = [line for line in real.audit() if line["operation"] == "collect_garbage"]
    assert [line["about"] for line in lines if line["allowed"]] == [
        "delete garbage older than 86400 s",
        "delete garbage older than 0 s",
    ]


def test_a_purged_folder_gets_no_keys(real: Control, push: Push, space: str) -> None:
    real.space(space)
    first = push(real.admin, f"{space}/models/net", {"a": b"1"})
    push(real.admin, f"{space}/models/net", {"a": b"2"})
    base = f"/v1/spaces/{space}/models/net"
    uploads = f"{base}/uploads/{first.version}"
    real.admin.ok("DELETE", f"{base}/versions/{first.version}")
    place = real.admin.ok("GET", uploads)
    assert place["manifest"] == first.manifest
    assert place["folder"] != first.version  # which is closed
    real.admin.ok("POST", f"{base}/gc", {"dry_run": False, "grace": 0})

    body = {"scope": f"{space}/models/net", "operation": "write", "version": first.version}
    assert real.admin.fails(409, "POST", "/v1/credentials", body)["code"] == "conflict"
    place = real.admin.ok("GET", uploads)
    assert place["manifest"] is None
    assert place["folder"] != first.version
    real.admin.ok("POST", "/v1/credentials", body | {"version": place["folder"]})
    commit = {"version": first.version, "manifest": first.manifest, "write_id": uuid4().hex}
    assert real.admin.fails(409, "POST", f"{base}/versions", commit)["code"] == "purged"


def test_lineage_shows_only_what_may_be_read(real: Control, push: Push, space: str) -> None:
    bob = real.user("bob")
    real.space(space)
    cats = push(real.admin, f"{space}/datasets/cats", {"a": b"1"})
    for name in ("open", "secret"):
        net = push(real.admin, f"{space}/models/{name}", {name: b"1"})
        push(real.admin, f"{space}/models/{name}", {"w": b"2"})
        base = f"/v1/spaces/{space}/models/{name}"
        again = {"version": net.version, "manifest": net.manifest, "write_id": uuid4().hex}
        lineage = [f"{space}/datasets/cats@{cats.version}"]
        real.admin.ok("POST", f"{base}/versions", again | {"lineage": lineage})
    real.grant("user:bob", "reader", f"{space}/datasets")
    real.grant("user:bob", "reader", f"{space}/models/open")
    path = f"/v1/spaces/{space}/datasets/cats/versions/latest/lineage"

    def made_into(api: Api) -> list[str]:
        return [ref.partition("@")[0] for ref in api.ok("GET", path)["made_into"]]

    assert made_into(real.admin) == [f"{space}/models/open", f"{space}/models/secret"]
    assert made_into(bob) == [f"{space}/models/open"]


@pytest.mark.parametrize(
    "body", [{"grace": -1}, {"grace": 1 << 70}, {"grace": "1d"}, {"dry_run": 7}, {"older": 1}]
)
def test_what_cannot_be_read_is_refused(real: Control, space: str, body: dict[str, object]) -> None:
    real.space(space)
    real.admin.fails(400, "POST", f"/v1/spaces/{space}/models/net/gc", body)


def test_a_reason_of_any_length_is_no_defect(real: Control, push: Push, space: str) -> None:
    real.space(space)
    push(real.admin, f"{space}/models/net", {"a": b"1"})
    one = f"/v1/spaces/{space}/models/net/versions/latest"
    real.admin.fails(400, "DELETE", f"{one}?reason={'x' * 1001}")
    real.admin.fails(400, "DELETE", f"{one}?untag=perhaps")
    real.admin.fails(400, "GET", f"/v1/spaces/{space}/models/net/uploads/latest")
