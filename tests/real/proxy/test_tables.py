"""Data files of tables come from the cache, for as long as the table has them as they are."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from http.client import IncompleteRead

import pytest
from obstore.store import S3Store

import klarity_storage as ks
from klarity_storage.protocol.credentials import S3Credentials
from klarity_storage.server.engines.ports import HOST
from klarity_storage.server.engines.sts import open_store
from nginx_fixture import PAGE, Site
from proxy_answers import both
from proxy_versions import SLICE
from waiting import until
from wire import Heard

pytestmark = pytest.mark.real

DECISION = 3
"""Seconds, as the settings of the site say."""


@pytest.fixture(scope="module")
def number() -> Iterator[int]:
    return iter(range(1000))


@pytest.fixture
def table(site: Site, number: Iterator[int]) -> str:
    """A name of its own for each test."""
    name = f"vision/tables/runs{next(number)}"
    with site.admin() as storage:
        storage.push_data_frame(name, {"id": [1, 2, 3], "x": ["a", "b", "c"]})
    return name


@pytest.fixture
def path(site: Site, table: str) -> str:
    """The address of its data file."""
    return f"/files/{table}/{data_file(site, table)}"


def data_file(site: Site, table: str) -> str:
    heard = site.wire()(f"/files/{table}/")
    names = [entry["name"] for entry in json.loads(heard.body)["entries"]]
    (name,) = [name for name in names if name.endswith(".parquet")]
    assert isinstance(name, str)
    return name


def bucket(site: Site) -> S3Store:
    """Everything, as whoever runs the engine can change it."""
    keys = json.loads((site.data / "engine" / "keys.json").read_bytes())
    return open_store(
        S3Credentials(
            endpoint=f"http://{HOST}:{site.ports[1]}",
            region="us-east-1",
            bucket="klarity",
            access_key_id=keys["access_key_id"],
            secret_access_key=keys["secret_access_key"],
        )
    )


def user_of(site: Site, token: str) -> str:
    with ks.connect(site.direct, token=token) as storage:
        return storage.whoami().principal


def ends_with(status: int, ask: Callable[[], Heard]) -> None:
    """Within the decision an answer has this status; every one that is asked for later, too."""
    begun = asked = time.monotonic()
    while ask().status != status:
        time.sleep(0.05)
        asked = time.monotonic()
        assert asked < begun + 60
    assert asked < begun + DECISION + 1
    assert ask().status == status


def test_a_data_file_is_answered_as_without_nginx(site: Site, path: str) -> None:
    heard = both(site, path)
    assert (heard.status, heard.body[:4]) == (200, b"PAR1")
    assert heard["cache-status"] == "klarity; hit"
    size, tag = len(heard.body), heard["etag"]
    assert both(site, path, "HEAD")["content-length"] == str(size)
    assert both(site, path, origin=PAGE)["access-control-allow-origin"] == PAGE
    for more, status in (
        ({"range": "bytes=-4"}, 206),
        ({"range": f"bytes=4-{size}", "if_range": tag}, 206),
        ({"range": "bytes=0-3", "if_range": '"x"'}, 200),
        ({"range": f"bytes={size}-"}, 416),
        ({"range": "bytes=0-1,5-6"}, 206),
        ({"if_match": tag}, 200),
        ({"if_match": '"x"'}, 412),
    ):
        assert both(site, path, **more).status == status
    assert site.wire()(path, if_none_match=tag).status == 304
    saved = both(site, f"{path}?download=true")
    assert saved["content-disposition"].startswith("attachment")
    assert saved["cache-status"] == "klarity; hit"


def test_the_server_is_asked_for_its_bytes_once(site: Site, table: str, path: str) -> None:
    token = site.user(("reader", table))
    for secret in (token, site.token, token):
        assert site.wire(secret)(path).body[-4:] == b"PAR1"
    file = path.rpartition("/")[2]
    assert len(site.audit(operation="read_file", target=table)) == 0
    assert len(site.audit(operation="read_table_file", about=f"file {file}", target=table)) == 1
    decided = site.audit(operation="check_right", target=table, about=f"file {file}")
    assert {line["principal"] for line in decided} == {
        user_of(site, token),
        user_of(site, site.token),
    }


def test_what_is_refused_or_absent(site: Site, table: str, path: str) -> None:
    reader = site.user(("reader", table))
    both(site, path)
    for token in (site.token, reader, site.user(), "", "ks_" + "A" * 43):
        for asked in (
            path,
            f"/files/{table}/none.parquet",
            f"/files/{table}x/none.parquet",
            f"/files/none/{table.partition('/')[2]}/none.parquet",
            f"/files/{table}/../{table.rpartition('/')[2]}/none.parquet",
            f"/files/{table}/a/../../none.parquet",
            f"/files/{table}/_delta_log/00000000000000000000.checkpoint.parquet",
        ):
            heard = both(site, asked, token=token)
            may = asked == path and token in {site.token, reader}
            assert heard.status == 200 if may else heard.status in {400, 401, 404}
    heard = site.wire(site.user())(path)
    assert heard.status == 404
    (line,) = site.audit(request_id=heard["x-request-id"])
    assert (line["operation"], line["allowed"]) == ("check_right", False)


def test_the_log_and_what_is_written_in_several_ways_are_not_cached(
    site: Site, table: str, path: str
) -> None:
    first = "00000000000000000000.json"
    name = path.rpartition("/")[2]
    for asked in (
        f"/files/{table}/_delta_log/{first}",
        f"/files/{table}/%5fdelta_log/{first}",
        f"/files/{table}/%{ord(name[0]):02x}{name[1:]}",
    ):
        heard = both(site, asked)
        assert (heard.status, "cache-status" in heard.headers) == (200, False)


def test_binaries_of_rows_are_not_cached(site: Site, table: str) -> None:
    for content in (b"one", b"two"):
        with site.admin() as storage:
            storage.push_raw_binary(table, row_index=1, files={"a.parquet": content})
        heard = both(site, f"/files/{table.replace('tables', 'raw_binary')}/1/a.parquet")
        assert (heard.body, "cache-status" in heard.headers) == (content, False)


def test_a_file_that_is_gone_is_not_served_from_the_cache(
    site: Site, table: str, path: str
) -> None:
    wire = site.wire()
    assert [wire(path).status for _ in range(2)] == [200, 200]
    with site.admin() as storage:
        storage.drop_table(table, dry_run=False)
    ends_with(404, lambda: wire(path))


def test_a_file_that_is_another_now_is_served_as_it_is(site: Site, path: str) -> None:
    wire = site.wire()
    before = [wire(path) for _ in range(2)][-1]
    assert before["cache-status"] == "klarity; hit"
    store, other = bucket(site), b"PAR1" + b"other" * 10
    for content in (other, before.body):
        store.put(path.removeprefix("/files/"), content)

        until(lambda wanted=content: wire(path).body == wanted)  # type: ignore[misc]
        assert both(site, path).body == content


def test_a_grant_that_is_taken_back_ends_within_the_decision(
    site: Site, table: str, path: str
) -> None:
    token = site.user(("reader", table))
    reader = site.wire(token)
    assert [reader(path).status for _ in range(2)] == [200, 200]
    with ks.connect(site.direct, token=site.token) as storage:
        (grant,) = storage.admin.get_grants(principal=user_of(site, token))
        storage.admin.revoke_grant(grant.id)
    ends_with(404, lambda: reader(path))


def test_no_answer_is_of_two_states(site: Site, table: str) -> None:
    """The first piece is in the cache when the file becomes another, the second one is not."""
    wire, address = site.wire(), f"/files/{table}/large.parquet"
    store = bucket(site)
    first, second = (letter * (SLICE + 1000) for letter in (b"1", b"2"))
    store.put(f"{table}/large.parquet", first)
    assert wire(address, range="bytes=0-9").body == first[:10]
    store.put(f"{table}/large.parquet", second)

    def is_read() -> bool:
        try:
            body = wire(address).body
        except (IncompleteRead, ConnectionResetError):
            return False  # it was the first one, and cannot be any more
        assert body == second
        return True

    is_read()
    assert wire(address, range=f"bytes={SLICE}-{SLICE + 9}").body == second[:10]
    assert until(is_read) < DECISION + 1
    assert both(site, address).body == second
