"""Two servers on one PostgreSQL and one S3: what one does, the other knows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

import klarity_storage as ks
from conftest import PlantTree, read_tree
from klarity_storage.server.engines import weed
from klarity_storage.server.engines.seaweed import SeaweedEngine
from postgres_fixture import PASSWORD, Postgres
from server_fixture import RunningServer, start_server
from waiting import until

pytestmark = pytest.mark.real

REVOKED_WITHIN = 5.0
"""Seconds: what the project promises."""


@dataclass(frozen=True)
class Pair:
    """Two servers that share everything but their data directories."""

    first: RunningServer
    second: RunningServer
    environment: dict[str, str]
    options: tuple[str, ...]

    def user(self, *grants: tuple[str, str]) -> tuple[ks.Storage, ks.Storage]:
        """A user's connections to both."""
        one = self.first.user(*grants)
        name = one.whoami().principal.removeprefix("user:")
        token = self.second.admin.admin.create_token(name).secret
        return one, ks.connect(self.second.address, token=token)


def settings_of(engine: SeaweedEngine) -> tuple[tuple[str, ...], dict[str, str]]:
    """The options and the environment of a server over this engine."""
    own = engine.credentials
    options = ("--engine", "s3", "--endpoint", own.endpoint, "--role-arn", weed.ROLE_ARN)
    return options, {
        "KS_S3_ACCESS_KEY_ID": own.access_key_id,
        "KS_S3_SECRET_ACCESS_KEY": own.secret_access_key,
    }


@pytest.fixture(scope="module")
def database(_other_postgres: Postgres) -> Postgres:
    _other_postgres.start()
    return _other_postgres


def configure(data: Path) -> None:
    """The settings that all servers on one database share."""
    data.mkdir()
    (data / "klarity.toml").write_text('[buckets.site]\nstrategy = "web"\n')


@pytest.fixture(scope="module")
def pair(
    tmp_path_factory: pytest.TempPathFactory, engine: SeaweedEngine, database: Postgres
) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    options, environment = settings_of(engine)
    environment["KS_DATABASE_URL"] = database.create()
    engine.beside("site")  # makes the bucket
    for name in ("one", "two"):
        configure(folder / name)
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        started = list(
            pool.map(
                lambda name: start_server(folder / name, *options, **environment), ("one", "two")
            )
        )
        for process, _, _ in started:
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
        [token] = [token for _, _, token in started if token]  # they started at once: one made it
        servers = [
            RunningServer(
                process,
                folder / name,
                address,
                stack.enter_context(ks.connect(address, token=token)),
                token,
            )
            for (process, address, _), name in zip(started, ("one", "two"), strict=True)
        ]
        yield Pair(servers[0], servers[1], environment, options)


@pytest.fixture
def owners(pair: Pair, space: str) -> Iterator[tuple[ks.Storage, ks.Storage]]:
    """An owner of ``space``, connected to both."""
    pair.first.admin.create_space(space)
    one, two = pair.user(("owner", space))
    with one, two:
        yield one, two


def test_a_switch_on_one_is_shown_by_the_other(pair: Pair, space: str, plant: PlantTree) -> None:
    one, two = pair.first.admin, pair.second.admin
    one.create_space(space, bucket="site")
    page = f"{pair.second.address}/web/{space}/prod/"
    for server, text in ((one, b"first"), (two, b"second"), (one, b"third")):
        server.publish_web(f"{space}/front", plant({"index.html": text}, text.decode()))
        server.deploy_web("prod", f"{space}/front")
        until(lambda text=text: httpx.get(page).content == text, 5)  # type: ignore[misc]
    two.rollback_web(f"{space}/prod")
    until(lambda: httpx.get(page).content == b"second", 5)
    assert len(one.get_releases(f"{space}/prod")) == 4


def test_what_is_made_on_one_is_there_on_the_other(
    pair: Pair, owners: tuple[ks.Storage, ks.Storage], space: str, plant: PlantTree
) -> None:
    one, two = owners
    assert space in [each.key for each in pair.second.admin.get_spaces()]
    assert one.whoami().grants == two.whoami().grants
    name = f"{space}/datasets/cats"
    version = one.push(name, plant({"a.txt": b"one"}))
    assert two.get_version(name).hash == version.hash
    two.tag(name, "prod")
    assert one.get_version(f"{name}@prod").hash == version.hash
    one.untag(name, "prod")
    assert two.get_tags(name) == []


def test_no_server_keeps_a_database_of_its_own(pair: Pair) -> None:
    for each in (pair.first, pair.second):
        assert not (each.data / "klarity.db").exists()
        assert PASSWORD not in each.data.with_suffix(".log").read_text()
        command = Path(f"/proc/{each.process.pid}/cmdline").read_bytes().decode()
        assert "postgresql" not in command


def refused(storage: ks.Storage) -> bool:
    try:
        storage.whoami()
    except ks.UnauthenticatedError:
        return True
    return False


def test_what_is_revoked_on_one_is_refused_by_the_other(pair: Pair) -> None:
    one, two = pair.user()
    assert not refused(two)
    token_id = two.whoami().token_id
    assert token_id is not None
    pair.first.admin.admin.revoke_token(token_id)
    assert until(lambda: refused(two)) < REVOKED_WITHIN
    assert not refused(one)
    one, two = pair.user()
    assert not refused(one) | refused(two)
    pair.second.admin.admin.disable_user(one.whoami().principal.removeprefix("user:"))
    assert until(lambda: refused(one) and refused(two)) < REVOKED_WITHIN


def test_a_grant_that_is_removed_on_one_opens_nothing_on_the_other(
    pair: Pair, owners: tuple[ks.Storage, ks.Storage], space: str, plant: PlantTree
) -> None:
    name = f"{space}/datasets/cats"
    owners[0].push(name, plant({"a.txt": b"one"}))
    one, two = pair.user(("reader", space))
    for storage in (one, two):
        assert storage.get_version(name).hash
    [grant] = [each for each in one.whoami().grants if each.pattern == space]
    owners[0].admin.revoke_grant(grant.id)

    def hidden() -> bool:
        try:
            two.get_version(name)
        except ks.NotFoundError:
            return True
        return False

    assert until(hidden) < REVOKED_WITHIN
    owners[1].admin.create_grant(grant.principal, "reader", space)
    until(lambda: one.get_version(name).hash == two.get_version(name).hash)


def test_commits_race_from_both_and_none_is_lost(
    owners: tuple[ks.Storage, ks.Storage], space: str, plant: PlantTree
) -> None:
    name, count = f"{space}/datasets/cats", 12
    trees = [plant({"n.txt": str(n).encode(), "same.txt": b"same"}, f"t{n}") for n in range(count)]
    with ThreadPoolExecutor(6) as pool:
        pushed = list(pool.map(lambda n: owners[n % 2].push(name, trees[n]).hash, range(count)))
    assert len(set(pushed)) == count
    told = [[each.hash for each in owner.get_versions(name)] for owner in owners]
    assert told[0] == told[1]
    assert sorted(told[0]) == sorted(pushed)
    for number, (hashed, owner) in enumerate(zip(pushed, owners * count, strict=False)):
        assert owner.get_version(f"{name}@{hashed}").open("n.txt").read() == str(number).encode()
    for owner in owners:
        assert owner.verify(name).whole


def test_what_one_deletes_and_collects_the_other_pushes_again(
    owners: tuple[ks.Storage, ks.Storage], space: str, plant: PlantTree, tmp_path: Path
) -> None:
    one, two = owners
    name = f"{space}/datasets/cats"
    first = one.push(name, plant({"a.txt": b"first"}, "first"))
    last = two.push(name, plant({"a.txt": b"last"}, "last"))
    assert [each.hash for each in two.get_versions(name)] == [last.hash, first.hash]
    one.delete(f"{name}@{first.hash}")
    assert [each.hash for each in two.get_versions(name)] == [last.hash]
    with pytest.raises(ks.VersionNotFoundError):
        two.get_version(f"{name}@{first.hash}")
    list(one.collect_garbage(name, grace=timedelta(0), dry_run=False))
    again = two.push(name, plant({"a.txt": b"first"}, "first"))
    assert again.hash == first.hash
    one.get_version(name).download(tmp_path / "out")
    assert read_tree(tmp_path / "out") == {"a.txt": b"first"}


def test_pushes_and_collections_race_from_both(
    owners: tuple[ks.Storage, ks.Storage], space: str, plant: PlantTree
) -> None:
    """One deletes and collects without any grace what the other commits: nothing live is lost."""
    one, two = owners
    name, count = f"{space}/datasets/cats", 8
    one.push(name, plant({"base.txt": b"base"}, "base"))
    trees = [plant({"n.txt": str(n % 3).encode(), "base.txt": b"base"}, f"t{n}") for n in range(3)]

    def push() -> None:
        for number in range(count):
            one.push(name, trees[number % 3])

    def collect() -> None:
        for _ in range(count):
            for old in two.get_versions(name)[1:]:
                with suppress(ks.NotFoundError):  # the older of two commits of one version
                    two.delete(f"{name}@{old.hash}")
            list(two.collect_garbage(name, grace=timedelta(0), dry_run=False))

    with ThreadPoolExecutor(2) as pool:
        for done in (pool.submit(push), pool.submit(collect)):
            done.result(120)
    assert one.verify(name).whole
    assert [each.hash for each in one.get_versions(name)] == [
        each.hash for each in two.get_versions(name)
    ]


def test_killed_with_the_lock_of_all_writers_a_server_leaves_the_other_working(
    pair: Pair, space: str, tmp_path: Path
) -> None:
    configure(tmp_path / "third")
    process, address, token = start_server(tmp_path / "third", *pair.options, **pair.environment)
    assert token == ""  # there are users
    try:
        with ks.connect(address, token=pair.first.token) as third, ThreadPoolExecutor(4) as pool:
            writing = [
                pool.submit(third.create_space, f"{space}-{number}") for number in range(200)
            ]
            until(lambda: any(each.done() for each in writing))
            process.send_signal(signal.SIGKILL)
            process.wait(30)
            began = time.monotonic()
            pair.first.admin.create_space(space)
            assert time.monotonic() - began < REVOKED_WITHIN
            made = [each for each in writing if each.exception() is None]
    finally:
        process.kill()
        process.wait(30)
    known = {each.key for each in pair.second.admin.get_spaces()}
    assert {each.result().key for each in made} <= known
    process, _, _ = start_server(tmp_path / "third", *pair.options, **pair.environment)
    process.terminate()
    assert process.wait(30) == 0


def test_a_restart_of_the_database_is_503_and_then_over(
    pair: Pair, database: Postgres, space: str
) -> None:
    headers = {"Authorization": f"Bearer {pair.first.token}"}
    pair.first.admin.create_space(space)
    with httpx.Client(base_url=pair.first.address, headers=headers, trust_env=False) as http:
        database.stop()
        try:
            # what was known of the caller a moment ago may serve once more
            until(lambda: http.get(f"/v1/spaces/{space}").status_code == 503)
            answer = http.post("/v1/spaces", json={"key": f"{space}-b"})
            problem = answer.json()
            assert (answer.status_code, problem["code"]) == (503, "unavailable")
            assert str(database.folder) not in answer.text
            ready = http.get("/readyz")
            assert ready.status_code == 503
            assert ready.json()["parts"]["engine"] == "ok"
            assert "does not answer" in ready.json()["parts"]["database"]
            assert http.get("/healthz").status_code == 200
        finally:
            database.start()
        until(lambda: http.get("/readyz").status_code == 200)
        assert http.get(f"/v1/spaces/{space}").status_code == 200
    assert pair.second.admin.create_space(f"{space}-c").key == f"{space}-c"


def test_without_its_database_a_server_does_not_start(pair: Pair, tmp_path: Path) -> None:
    url = pair.environment["KS_DATABASE_URL"].replace("postgres?", "nowhere?")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ks")), "serve", "--data", str(tmp_path / "data"),
         "--port", "0", *pair.options],
        env=os.environ | pair.environment | {"KS_DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == ks.UnavailableError.exit_code
    assert 'database "nowhere" does not exist' in done.stderr
    assert "KS_DATABASE_URL" in done.stderr
    assert PASSWORD not in done.stderr


def test_decisions_of_both_are_one_record(pair: Pair, space: str) -> None:
    pair.first.admin.create_space(space)
    one, two = pair.user(("reader", space))
    for storage in (one, two, one):
        with pytest.raises(ks.ForbiddenError):
            storage.admin.create_grant("anyone", "reader", space)
    seen = [
        list(server.admin.admin.get_audit(what=space, operation="create_grant", allowed=False))
        for server in (pair.first, pair.second)
    ]
    assert seen[0] == seen[1]
    assert [event.principal for event in seen[0]] == [one.whoami().principal] * 3
    assert not list((pair.first.data / "audit").glob("*"))
