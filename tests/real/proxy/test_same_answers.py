"""Through nginx, cold and cached, everything is answered as the server itself answers it."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote

import pytest

from nginx_fixture import PAGE, Site
from proxy_answers import OWN, both
from proxy_versions import FILES, LARGE, SLICE, Pushed
from wire import Wire

pytestmark = pytest.mark.real

TEXT = FILES["a.txt"]
ETAG = f'"{hashlib.sha256(TEXT).hexdigest()}"'


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_files(site: Site, cats: Pushed, path: str, method: str) -> None:
    heard = both(site, f"{cats.root}/{quote(path)}", method)
    assert heard.status == 200
    assert heard.body == (FILES[path] if method == "GET" else b"")
    assert heard["content-length"] == str(len(FILES[path]))
    assert heard["cache-control"] == "private, max-age=31536000, immutable"
    assert heard["vary"] == "Authorization, Origin"
    if path != "empty":
        assert heard["cache-status"] == "klarity; hit"


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("0-0", 0, 1),
        ("4-8", 4, 9),
        ("40-", 40, len(LARGE)),
        ("-3", len(LARGE) - 3, len(LARGE)),
        (f"-{len(LARGE) * 2}", 0, len(LARGE)),
        (f"{SLICE - 5}-{SLICE + 4}", SLICE - 5, SLICE + 5),
        (f"{2 * SLICE + 1}-999999999999", 2 * SLICE + 1, len(LARGE)),
        (f"{SLICE}-{2 * SLICE - 1}", SLICE, 2 * SLICE),
    ],
)
def test_ranges(site: Site, cats: Pushed, asked: str, start: int, end: int) -> None:
    heard = both(site, f"{cats.root}/large.bin", range=f"bytes={asked}")
    assert heard.status == 206
    assert heard.body == LARGE[start:end]
    assert heard["content-range"] == f"bytes {start}-{end - 1}/{len(LARGE)}"
    assert heard["cache-status"] == "klarity; hit"


CONDITIONS: list[tuple[dict[str, Any], int]] = [
    ({"if_none_match": ETAG}, 304),
    ({"if_none_match": f'"x", W/{ETAG}'}, 304),
    ({"if_none_match": "*"}, 304),
    ({"if_none_match": '"x"'}, 200),
    ({"if_none_match": ETAG, "range": "bytes=0-3"}, 304),
    ({"if_match": ETAG}, 200),
    ({"if_match": '"x"'}, 412),
    ({"if_match": ETAG, "range": "bytes=0-3"}, 206),
    ({"if_range": ETAG, "range": "bytes=0-3"}, 206),
    ({"if_range": '"x"', "range": "bytes=0-3"}, 200),
    ({"if_range": f"W/{ETAG}", "range": "bytes=0-3"}, 200),
    ({"if_range": "Wed, 21 Oct 2015 07:28:00 GMT", "range": "bytes=0-3"}, 200),
    ({"if_modified_since": "Wed, 21 Oct 2015 07:28:00 GMT"}, 200),
    ({"if_modified_since": "Wed, 21 Oct 2099 07:28:00 GMT"}, 200),
    ({"if_unmodified_since": "Wed, 21 Oct 2015 07:28:00 GMT"}, 200),
    ({"range": "bytes=0-3,20-25"}, 206),
    ({"range": "bytes=0-3,4-6"}, 206),
    ({"range": "lines=1-2"}, 200),
    ({"range": "bytes=a-b"}, 416),
    ({"range": "bytes=-0"}, 416),
    ({"range": "bytes=" + ",".join(f"{at}-{at}" for at in range(0, 600, 2))}, 416),
    ({"accept_encoding": "gzip, br"}, 200),
    ({"cookie": "a=b"}, 200),
    ({"x_forwarded_for": "192.0.2.1"}, 200),
]


@pytest.mark.parametrize(("headers", "status"), CONDITIONS, ids=lambda found: str(found)[:60])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_conditions(
    site: Site, cats: Pushed, headers: dict[str, Any], status: int, method: str
) -> None:
    path = f"{cats.root}/a.txt"
    expected = 200 if method == "HEAD" and status in {206, 416} else status
    if status == 304:
        heard = site.wire()(path, method, **headers)
        own = Wire(site.direct, site.token)(path, method, **headers)
        # nginx also repeats what it says of the whole file, as it may
        assert {n: heard[n] for n in own.headers if n not in {*OWN, "x-request-id"}}.items() <= (
            own.headers.items()
        )
    else:
        heard = both(site, path, method, **headers)
    assert heard.status == expected
    assert expected != 206 or len(heard.body) < 2 * len(TEXT) + 400


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        *(("a.txt", f"{first}-") for first in (len(TEXT), len(TEXT) + 1, 50, 99, 100, 999, 10**9)),
        *(
            ("a.txt", asked)
            for asked in ("5-2", "1-0", "10-9", "40-39", "41-32", "100-99", "99-100")
        ),
        *(("a.txt", asked) for asked in ("045-", "5-002", "045-046", f"{10**18}-", f"0-{10**18}")),
        *(("large.bin", f"{len(LARGE) + more}-") for more in (0, 1, 9, 10, 1000, SLICE, 10**9)),
        *(("large.bin", asked) for asked in (f"{SLICE}-{SLICE - 1}", f"{2 * SLICE}-{SLICE}")),
        ("empty", "0-"),
    ],
)
def test_a_range_that_cannot_be_served(site: Site, cats: Pushed, path: str, asked: str) -> None:
    """nginx has begun to tell of the file when it finds out: nothing of that may be left."""
    address = f"{cats.root}/{path}"
    heard = both(site, address, range=f"bytes={asked}", origin=PAGE)
    if asked.startswith("0-1"):
        assert (heard.status, heard.body) == (206, TEXT)
        return
    assert heard.status == 416
    assert heard["cache-control"] == "no-store"
    assert heard["content-type"] == "application/problem+json"
    whole = Wire(site.direct, site.token)(address, "HEAD")
    for tag, status in ((whole["etag"], 416), ('"x"', 200)):
        assert both(site, address, range=f"bytes={asked}", if_range=tag).status == status
    unchanged = site.wire()(address, range=f"bytes={asked}", if_none_match=whole["etag"])
    assert (unchanged.status, unchanged["cache-control"]) == (304, whole["cache-control"])


@pytest.mark.parametrize("last", [0, 1, 8, 9, 10, 11, 42, 43])
def test_a_range_up_to_the_end(site: Site, cats: Pushed, last: int) -> None:
    for first in range(last + 1):
        for asked in (f"{first}-{last}", f"{first}-"):
            heard = site.wire()(f"{cats.root}/a.txt", range=f"bytes={asked}")
            end = None if asked.endswith("-") else last + 1
            assert (heard.status, heard.body) == (206, TEXT[first:end])
            assert heard["cache-control"].endswith("immutable")
            assert heard["cache-status"].startswith("klarity")


def test_what_is_refused_or_absent(site: Site, cats: Pushed) -> None:
    reader = site.user(("reader", "vision/datasets/dogs"))
    zeros = "0" * 64
    for token in (site.token, reader, "", "ks_" + "A" * 43, "nonsense", "a.b.c"):
        for path in (
            f"{cats.root}/a.txt",
            f"{cats.root}/nothing",
            f"/files/vision/datasets/cats/{zeros}/a.txt",
            f"/files/vision/datasets/none/{cats.hash}/a.txt",
            f"/files/none/datasets/cats/{cats.hash}/a.txt",
            f"{cats.root}/train",
            f"{cats.root}/train/",
            f"{cats.root}/",
            cats.root,
            "/files/vision/datasets/cats/latest/a.txt",
            "/files/vision/tables/none/x.parquet",
            "/v1/whoami",
            "/v1/spaces",
            "/nothing",
        ):
            heard = both(site, path, token=token)
            assert (
                heard.status != 200 or token == site.token or path in {"/v1/whoami", "/v1/spaces"}
            )
            if heard.status == 401:
                assert heard["www-authenticate"] == 'Bearer realm="klarity-storage"'


def test_an_other_scheme_is_no_token(site: Site, cats: Pushed) -> None:
    for scheme in ("Basic", "Token", "bearer"):
        header = {"authorization": f"{scheme} {site.token}"}
        heard = both(site, f"{cats.root}/a.txt", token="", **header)
        assert heard.status == (200 if scheme == "bearer" else 401)


@pytest.mark.parametrize("origin", [PAGE, "https://evil.example.org", "null", ""])
def test_pages(site: Site, cats: Pushed, origin: str) -> None:
    """One copy serves pages that may read, pages that may not, and who is no page."""
    for token in (site.token, ""):
        for path in (f"{cats.root}/a.txt", f"{cats.root}/nothing", "/v1/spaces"):
            heard = both(site, path, token=token, origin=origin)
            assert heard.headers.get("access-control-allow-origin") == (
                PAGE if origin == PAGE else None
            )
    preflight = {"access_control_request_method": "GET"}
    heard = both(site, f"{cats.root}/a.txt", "OPTIONS", token="", origin=origin, **preflight)
    assert heard.status == 204


def test_saving_is_another_header_and_no_other_copy(site: Site, cats: Pushed) -> None:
    path = f"{cats.root}/{quote('train/Zürich 1.png')}"
    site.wire()(path)
    heard = site.wire()(f"{path}?download=true")
    assert heard["cache-status"] == "klarity; hit"
    assert heard["content-disposition"].startswith("attachment; filename=")
    both(site, f"{path}?download=true")
    both(site, path)
    for query in ("?download=false", "?download=1", "?x=1", "?", "?download=true&x=1"):
        assert "cache-status" not in both(site, path + query).headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
def test_methods(site: Site, cats: Pushed, method: str) -> None:
    both(site, f"{cats.root}/a.txt", method)
    both(site, "/v1/spaces", method if method != "POST" else "PUT")


def test_ids_of_requests_are_the_callers_own(site: Site, cats: Pushed) -> None:
    for path in (f"{cats.root}/a.txt", f"{cats.root}/nothing", "/v1/whoami"):
        assert site.wire()(path, x_request_id="my-own-number")["x-request-id"] == "my-own-number"
        for odd in ("short", "x" * 65, "ks_" + "A" * 43, "a b c d e f g h"):
            assert site.wire()(path, x_request_id=odd)["x-request-id"] != odd
    first, second = (site.wire()(f"{cats.root}/a.txt")["x-request-id"] for _ in range(2))
    assert first != second
