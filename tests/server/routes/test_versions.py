from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from control_fixture import Api, Control
from klarity_storage.protocol.versions import VersionInfo

pytestmark = pytest.mark.real

Push = Callable[[Api, str, dict[str, bytes]], VersionInfo]


def test_a_version_from_push_to_tag(real: Control, push: Push, space: str) -> None:
    bob = real.user("bob")
    real.space(space)
    real.grant("user:bob", "writer", f"{space}/datasets")
    first = push(bob, f"{space}/datasets/cats", {"a.txt": b"one"})
    second = push(bob, f"{space}/datasets/cats", {"a.txt": b"two"})
    assert (first.by, second.parents, second.latest) == ("user:bob", [first.version], True)

    base = f"/v1/spaces/{space}/datasets"
    found = bob.ok("GET", f"{base}/cats/versions")["items"]
    assert [v["version"] for v in found] == [second.version, first.version]
    assert bob.ok("GET", f"{base}/cats/versions/latest") == found[0]
    assert bob.ok("GET", f"{base}/cats/versions/{first.version[:8]}") == found[1]
    assert bob.ok("GET", base)["items"] == [{"space": space, "kind": "datasets", "name": "cats"}]

    tag = bob.ok("PUT", f"{base}/cats/tags/prod", {"version": first.version[:8]})
    assert (tag["version"], tag["by"]) == (first.version, "user:bob")
    assert bob.ok("GET", f"{base}/cats/tags") == {"items": [tag]}
    assert bob.ok("GET", f"{base}/cats/versions/prod")["tags"] == ["prod"]
    bob.ok("DELETE", f"{base}/cats/tags/prod")
    assert bob.ok("GET", f"{base}/cats/tags") == {"items": []}
    assert bob.fails(404, "GET", f"{base}/cats/versions/prod")["code"] == "version_not_found"
    assert bob.fails(404, "DELETE", f"{base}/cats/tags/prod")["code"] == "version_not_found"


def test_lists_show_what_may_be_read(real: Control, push: Push, space: str) -> None:
    bob = real.user("bob")
    real.space(space)
    for name in ("cats", "cows", "dogs"):
        push(real.admin, f"{space}/models/{name}", {"a": b"1"})
    real.grant("user:bob", "reader", f"{space}/models/c*")
    names = [item["name"] for item in bob.ok("GET", f"/v1/spaces/{space}/models")["items"]]
    assert names == ["cats", "cows"]
    assert bob.ok("GET", f"/v1/spaces/{space}/datasets") == {"items": []}


def test_hidden_and_absent_names_look_the_same(real: Control, push: Push, space: str) -> None:
    bob = real.user("bob")
    real.space(space)
    push(real.admin, f"{space}/models/secret", {"a": b"1"})
    push(real.admin, f"{space}/models/cats", {"a": b"1"})
    real.grant("user:bob", "owner", f"{space}/models/c*")
    for path in ("versions", "versions/latest", "tags"):
        hidden = bob.fails(404, "GET", f"/v1/spaces/{space}/models/secret/{path}")
        absent = bob.fails(404, "GET", f"/v1/spaces/{space}/models/absent/{path}")
        granted = bob.fails(404, "GET", f"/v1/spaces/{space}/models/cxx/{path}")
        for problem in (hidden, absent, granted):
            del problem["request_id"]
        assert hidden["detail"] == absent["detail"].replace("absent", "secret")
        assert hidden["detail"] == granted["detail"].replace("cxx", "secret")
        assert (hidden["code"], hidden["hint"]) == (granted["code"], granted["hint"])


def test_a_reader_cannot_write(real: Control, push: Push, space: str) -> None:
    bob = real.user("bob")
    real.space(space)
    made = push(real.admin, f"{space}/models/net", {"a": b"1"})
    real.grant("user:bob", "reader", space)
    base = f"/v1/spaces/{space}/models/net"
    body = {"version": made.version, "manifest": made.manifest, "write_id": uuid4().hex}
    bob.fails(403, "POST", f"{base}/versions", body)
    bob.fails(403, "PUT", f"{base}/tags/prod", {"version": "latest"})
    bob.fails(403, "DELETE", f"{base}/tags/prod")
    assert bob.ok("GET", f"{base}/tags")["items"] == []
    assert len(bob.ok("GET", f"{base}/versions")["items"]) == 1


def test_a_manifest_that_is_not_there_is_refused(real: Control, space: str) -> None:
    real.space(space)
    path = f"/v1/spaces/{space}/models/net/versions"
    body = {"version": "0" * 64, "manifest": f"manifest-{'0' * 64}.parquet", "write_id": "w"}
    assert real.admin.fails(400, "POST", path, body)["code"] == "invalid_manifest"
    assert real.admin.fails(404, "GET", path)["code"] == "version_not_found"
    for manifest in ("../x", "manifest-0.parquet", "a/b"):
        real.admin.fails(400, "POST", path, body | {"manifest": manifest})
    real.admin.fails(400, "POST", path, body | {"version": "latest"})


def test_tags_at_once_all_land(real: Control, push: Push, space: str) -> None:
    real.space(space)
    push(real.admin, f"{space}/models/net", {"a": b"1"})
    base = f"/v1/spaces/{space}/models/net/tags"
    with ThreadPoolExecutor(6) as pool:
        list(
            pool.map(
                lambda n: real.admin.ok("PUT", f"{base}/t-{n}", {"version": "latest"}), range(6)
            )
        )
    found = [tag["tag"] for tag in real.admin.ok("GET", base)["items"]]
    assert found == [f"t-{n}" for n in range(6)]
