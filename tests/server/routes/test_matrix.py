"""Three enforcers and the one decision that they come from: role, kind, operation, enforcer.

Each cell is tried: the API by its routes, the S3 engine with the keys that the caller gets (and
with those that it gets for less), the read path by its addresses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import pyarrow as pa
import pytest
from httpx import Response
from obstore.exceptions import GenericError, PermissionDeniedError
from obstore.store import S3Store

from control_fixture import Api, Control, open_store
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.grants import Grant
from klarity_storage.protocol.versions import VersionInfo
from klarity_storage.server.rights.actor import Actor
from klarity_storage.server.rights.decide import Action, decide
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.tables.location import TableLocation
from klarity_storage.tables.push import push_table

pytestmark = pytest.mark.real

Push = Callable[[Api, str, dict[str, bytes]], VersionInfo]

NOTHING: frozenset[str] = frozenset()
EXPECTED = {
    None: NOTHING,
    "reader": frozenset({"read"}),
    "writer": frozenset({"read", "write"}),
    "owner": frozenset({"read", "write", "own"}),
}
"""What each role may do to a name, of whatever kind: the one expectation."""

NEW = "1" * 64


@dataclass(frozen=True)
class Place:
    """A name with content, and how each enforcer is asked about it."""

    control: Control
    bob: Api
    name: str
    """``space/kind/name``, where the kind may be raw_binary."""
    key: str
    """An object of it."""
    version: str | None

    @property
    def scope(self) -> str:
        """Raw binaries belong to their table."""
        return self.name.replace("/raw_binary/", "/tables/")

    def decided(self) -> set[str]:
        grants = self.control.admin.ok("GET", "/v1/grants")["items"]
        held = msgspec.convert(grants, list[Grant])
        actor = Actor(user="bob", display_name="Bob", administrator=False)
        target = Pattern.of_scope(self.scope)
        now = datetime.now(UTC)
        actions = (Action.READ, Action.WRITE, Action.OWN)
        return {str(a) for a in actions if decide(actor, a, target, held, now).allowed}

    def by_files(self) -> set[str]:
        """Reading is all that the read path does, for owners too."""
        got = self.bob("GET", f"/files/{self.key}").status_code
        assert got in {200, 404}  # never 403: unseen is absent
        for method in ("PUT", "POST", "DELETE", "PATCH"):
            assert self.bob(method, f"/files/{self.key}").status_code == 405
        return {"read"} if got == 200 else set()

    def by_api(self) -> set[str]:
        read, write, own = self._asked()
        statuses = {"read": read().status_code, "write": write().status_code}
        statuses["own"] = own().status_code
        assert set(statuses.values()) <= {200, 201, 204, 403, 404}, statuses
        return {operation for operation, status in statuses.items() if status < 300}

    def _asked(self) -> tuple[Callable[[], Response], ...]:
        base = f"/v1/spaces/{self.scope}"
        ask = self.bob
        if self.version is None:
            keys = {"scope": self.scope}
            gone = {"rows": ["99"]}
            return (
                lambda: ask("GET", base),
                lambda: ask("POST", "/v1/credentials", keys | {"operation": "write"}),
                lambda: ask("POST", f"{base}/raw_binaries/delete", gone),
            )
        return (
            lambda: ask("GET", f"{base}/versions/latest"),
            lambda: ask("PUT", f"{base}/tags/try", {"version": self.version}),
            lambda: ask("DELETE", f"{base}/versions/{self.version}?untag=true"),
        )

    def by_s3(self) -> set[str]:
        """With keys that were asked for; and keys for less do no more than they were given for."""
        found = set()
        read, write = self._keys("read"), self._keys("write")
        target = f"{self.name}/{NEW}/x" if self.version else f"{self.name}/new"
        if read is not None:
            assert tried(lambda: read.get(self.key))
            assert not tried(lambda: read.put(target, b"x"))
            assert not tried(lambda: read.delete(self.key))
            found.add("read")
        if write is not None:
            assert tried(lambda: write.put(target, b"x"))
            assert not tried(lambda: write.delete(self.key))
            found.add("write")
        if self.version is None and (drop := self._keys("drop")) is not None:
            assert tried(lambda: drop.delete(target))
            found.add("own")
        return found

    def _keys(self, operation: str) -> S3Store | None:
        body = {"scope": self.scope, "operation": operation}
        if operation == "write" and self.version:
            body["version"] = NEW
        answer = self.bob("POST", "/v1/credentials", body)
        if not answer.is_success:
            assert answer.status_code in {403, 404}
            return None
        return open_store(self.bob, **body)


def tried(act: Callable[[], object]) -> bool:
    """Whether the engine does it; any failure but a refusal is one of the test."""
    try:
        act()
    except PermissionDeniedError:
        return False
    except GenericError as error:  # obstore has no class for a refused DeleteObjects
        if "code: AccessDenied" not in str(error):
            raise
        return False
    return True


@pytest.fixture
def place(real: Control, push: Push, space: str) -> Callable[[str], Place]:
    """A name of a kind with something in it, and one beside it that begins alike."""
    real.space(space)
    bob = real.user("bob")
    bucket = real.services.buckets.main.engine

    def table(name: str) -> None:
        where = Name(space, Kind.TABLES, name)
        keys = bucket.credentials
        location = TableLocation(where, f"s3://{keys.bucket}/{where}", keys)
        push_table(lambda: location, pa.table({"id": [1]}), by="user:admin")

    def make(kind: str, name: str) -> Place:
        full = f"{space}/{kind}/{name}"
        if kind in {"tables", "raw_binary"}:
            table(name)
            key = f"{full}/1/x" if kind == "raw_binary" else f"{full}/_delta_log/{0:020d}.json"
            if kind == "raw_binary":
                bucket.store.put(key, b"x")
            return Place(real, bob, full, key, None)
        version = push(real.admin, full, {"x": b"x"}).version
        return Place(real, bob, full, f"{full}/{version}/x", version)

    def both(kind: str) -> Place:
        beside = make(kind, "cats2")
        assert beside.decided() == set()
        return make(kind, "cats")

    return both


@pytest.mark.parametrize("role", EXPECTED, ids=str)
@pytest.mark.parametrize("kind", list(Kind), ids=str)
def test_all_enforcers_agree(place: Callable[[str], Place], kind: str, role: str | None) -> None:
    here = place(str(kind))
    if role is not None:
        here.control.grant("user:bob", role, here.scope)
    expected = set(EXPECTED[role])
    readable = expected & {"read"}
    assert here.decided() == expected
    assert here.by_files() == readable
    # no keys delete of a version: who owns it asks the API
    assert here.by_s3() == (expected if here.version is None else expected - {"own"})
    assert here.by_api() == expected


@pytest.mark.parametrize("kind", list(Kind), ids=str)
def test_a_grant_reaches_no_sibling(place: Callable[[str], Place], kind: str) -> None:
    here = place(str(kind))
    here.control.grant("user:bob", "owner", here.scope)
    sibling = Place(
        here.control,
        here.bob,
        here.name + "2",
        here.key.replace("/cats/", "/cats2/"),
        here.version,
    )
    assert here.decided() == {"read", "write", "own"}
    assert sibling.decided() == set()
    assert sibling.by_files() == set()
    assert sibling.by_s3() == set()
    assert sibling.by_api() == set()
    keys = here._keys("read")
    assert keys is not None
    assert tried(lambda: keys.get(here.key))
    assert not tried(lambda: keys.get(sibling.key))
    writing = here._keys("write")
    assert writing is not None
    target = f"{here.name}/{NEW}/stolen" if here.version else f"{here.name}/stolen"
    with pytest.raises(PermissionDeniedError):
        writing.copy(sibling.key, target)
