"""What browsers get of a front end, byte by byte and header by header."""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Callable

import brotli
import pytest

from web_fixture import Front, bundle
from wire import Heard, Wire

NAVIGATION = {"sec_fetch_mode": "navigate", "sec_fetch_dest": "document", "accept": "text/html"}
SCRIPT = {"sec_fetch_mode": "cors", "sec_fetch_dest": "script", "accept": "*/*"}
FOREVER = "public, max-age=31536000, immutable"


def is_missing(found: Heard) -> None:
    assert found.status == 404
    assert found["content-type"] == "application/problem+json"
    assert b"<html" not in found.body


def test_a_page_asks_for_its_files_by_its_version(front: Front) -> None:
    version = front.deploy("prod", "one")
    at = front.at("prod")
    page = at(**NAVIGATION)
    root = f"/web/{front.space}/prod/_ks/{version}"
    assert page.status == 200
    assert page["content-type"] == "text/html; charset=utf-8"
    assert page["cache-control"] == "no-cache"
    assert f'href="{root}/assets/style.css"' in page.body.decode()
    assert f'<script type="module" src="{root}/assets/index.js">' in page.body.decode()
    assert b'<!-- <script src="assets/index.js"> -->' in page.body  # what is not run stays
    assert page["etag"] == f'"{hashlib.sha256(page.body).hexdigest()}"'
    again = at(if_none_match=page["etag"], **NAVIGATION)
    assert (again.status, again.body, again["etag"]) == (304, b"", page["etag"])
    script = at(f"_ks/{version}/assets/index.js", **SCRIPT)
    files = bundle("one")
    assert script.body == files["assets/index.js"]
    assert script["cache-control"] == FOREVER
    assert script["content-type"] == "application/javascript; charset=utf-8"
    assert script["x-content-type-options"] == "nosniff"
    plain = at("assets/index.js", **SCRIPT)
    assert (plain.body, plain["cache-control"]) == (script.body, "no-cache")
    assert plain["etag"] == script["etag"]


def test_an_application_may_run_and_is_framed_by_itself_alone(front: Front) -> None:
    front.deploy("prod", "one")
    page = front.at("prod")(**NAVIGATION)
    assert "sandbox" not in page["content-security-policy"]
    assert "frame-ancestors 'self'" in page["content-security-policy"]
    assert page["x-content-type-options"] == "nosniff"
    assert "content-disposition" not in page.headers
    assert "authorization" not in page["vary"].lower()


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("*", "br"),
        ("br;q=0, *;q=0", None),
        ("identity", None),
        ("", None),
        ("br;q=nonsense", None),
    ],
)
def test_each_browser_gets_the_coding_that_it_takes(
    front: Front, accepted: str, coding: str | None
) -> None:
    front.deploy("prod", "one")
    at, plain = front.at("prod"), bundle("one")["assets/index.js"]
    found = at("assets/index.js", accept_encoding=accepted, **SCRIPT)
    assert found.headers.get("content-encoding") == coding
    assert found["vary"] == "Accept-Encoding"
    decoded = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[coding](found.body)
    assert decoded == plain
    sent = hashlib.sha256(found.body)
    assert found["repr-digest"] == f"sha-256=:{base64.b64encode(sent.digest()).decode()}:"
    assert found["etag"] == f'"{sent.hexdigest()}{f"-{coding}" if coding else ""}"'
    assert int(found["content-length"]) == len(found.body)
    if coding:
        assert len(found.body) < len(plain) / 5


def test_codings_are_different_entities_and_ranges_are_of_the_file(front: Front) -> None:
    front.deploy("prod", "one")
    at, plain = front.at("prod"), bundle("one")["assets/index.js"]
    by_br = at("assets/index.js", accept_encoding="br")
    assert at("assets/index.js", if_none_match=by_br["etag"], accept_encoding="gzip").status == 200
    same = at("assets/index.js", if_none_match=by_br["etag"], accept_encoding="br")
    assert (same.status, same["vary"]) == (304, "Accept-Encoding")
    assert "content-encoding" not in same.headers
    part = at("assets/index.js", range="bytes=5-24", accept_encoding="br")
    assert (part.status, part.body) == (206, plain[5:25])
    assert "content-encoding" not in part.headers
    assert at("assets/index.js", range=f"bytes={len(plain)}-").status == 416
    several = at("assets/index.js", range="bytes=0-1,2000-2001")
    assert several["content-type"].startswith("multipart/byteranges")
    assert plain[:2] in several.body
    head = at("assets/index.js", "HEAD", accept_encoding="br")
    assert (head.body, head["content-length"]) == (b"", by_br["content-length"])


def test_what_does_not_become_smaller_is_sent_as_it_is(front: Front) -> None:
    front.deploy("prod", "one")
    found = front.at("prod")("logo.png", accept_encoding="br, gzip")
    assert found["content-type"] == "image/png"
    assert "content-encoding" not in found.headers
    assert "vary" not in found.headers


def test_large_files_are_streamed_in_the_coding_that_was_asked_for(front: Front) -> None:
    import random

    chars = random.Random(1).choices("0123456789abcdef", k=3 << 20)
    front.deploy("prod", "one", **{"data.json": '["' + "".join(chars) + '"]'})
    at = front.at("prod")
    plain = at("data.json")
    assert len(plain.body) == (3 << 20) + 4
    packed = at("data.json", accept_encoding="br")
    assert packed["content-encoding"] == "br"
    assert len(packed.body) > 1 << 20  # not kept in memory
    assert brotli.decompress(packed.body) == plain.body
    tail = at("data.json", range="bytes=-2")
    assert (tail.status, tail.body) == (206, b'"]')


def test_navigations_fall_back_to_the_page_and_nothing_else_does(front: Front) -> None:
    front.deploy("prod", "one")
    at = front.at("prod")
    page = at(**NAVIGATION)
    for path in ("users/7", "users/john.doe", "a/b/c/", "search?q=x.js"):
        assert at(path, **NAVIGATION).body == page.body, path
    assert at("users/7", accept="text/html,*/*;q=0.8").body == page.body  # says less
    for path in ("assets/gone.js", "gone.css", "gone.png", "x/gone.html"):
        is_missing(at(path, **SCRIPT))
        is_missing(at(path, **NAVIGATION))
        is_missing(at(path, accept="text/html"))
    for headers in (SCRIPT, {"accept": "application/json"}, {}):
        is_missing(at("users/7", **headers))
    is_missing(at("users/7", sec_fetch_mode="no-cors", sec_fetch_dest="image", accept="text/html"))
    assert at("users/7", "HEAD", **NAVIGATION).status == 200
    assert at("users/7", "POST", b"x=1").status == 405


def test_folders_have_pages_of_their_own(front: Front) -> None:
    front.deploy(
        "prod", "one", **{"docs/index.html": "<script src='a.js'></script>", "docs/a.js": "1"}
    )
    at = front.at("prod")
    root = f"/web/{front.space}/prod/"
    moved = at("docs", **NAVIGATION)
    assert (moved.status, moved["location"]) == (307, f"{root}docs/")
    assert b"/docs/a.js" in at("docs/", **NAVIGATION).body
    bare = Wire(front.server.address)(root[:-1])
    assert (bare.status, bare["location"]) == (307, root)


def test_strange_addresses_are_refused(front: Front) -> None:
    version = front.deploy("prod", "one")
    at = front.at("prod")
    for path in (
        "../prod/index.html",
        "%2e%2e/%2e%2e/v1/whoami",
        "assets/..%2f..%2fx",
        "assets//index.js",
        "/" * 4000,
        "%",
        "%ff",
        "a%00b",
        "assets\\index.js",
        "_ks",
        "_ks/",
        "_ks/x/assets/index.js",
        f"_ks/{version}",
        f"_ks/{version}/",
        f"_ks/{version}/../{version}/logo.png",
        f"_ks/{version.upper()}/logo.png",
        f"_ks/{'0' * 64}/logo.png",
        f"_ks/{version}/_ks/manifest-{'0' * 64}.parquet",
        "x" * 5000,
    ):
        found = at(path, **SCRIPT)
        if path == f"_ks/{version}/":  # its page, by version
            assert found.status == 200
            continue
        assert found.status in {400, 404}, path
        assert found["content-type"] == "application/problem+json"
        assert at(path, **NAVIGATION).status in {200, 307, 400, 404}
    assert at("", "GET", b"a body").status == 400


def test_what_is_not_shown_or_not_public_looks_the_same(front: Front) -> None:
    front.deploy("prod", "one")
    closed = f"{front.space}-closed"
    front.server.admin.create_space(closed, bucket="closed")
    wire: Callable[..., Heard] = Wire(front.server.address)
    front.storage.remove_deployment(f"{front.space}/prod")
    answers = [
        wire(f"/web/{path}", **NAVIGATION)
        for path in (
            f"{front.space}/prod/",
            f"{front.space}/never/",
            f"{closed}/prod/",
            "no-such-space/prod/",
            f"{front.space}/prod/_ks/{'0' * 64}/x.js",
        )
    ]
    assert {(a.status, a.body[:-40].split(b"request_id")[0]) for a in answers} == {
        (404, answers[0].body[:-40].split(b"request_id")[0])
    }
    for bad in ("UP/prod/", f"{front.space}/UP/", f"{front.space}/{'x' * 120}/"):
        assert wire(f"/web/{bad}", **NAVIGATION).status == 400


def test_a_token_makes_no_difference_and_each_request_is_recorded(front: Front) -> None:
    front.deploy("prod", "one")
    at = front.at("prod")
    found = at(authorization="Bearer ks_" + "x" * 43, **NAVIGATION)
    assert found.status == 200
    events = front.server.admin.admin.get_audit(what=f"{front.space}/artefacts/prod.deployment")
    mine = [event for event in events if event.request_id == found["x-request-id"]]
    assert [(e.principal, e.action, e.allowed, e.about) for e in mine] == [
        ("anyone", "read", True, "page index.html")
    ]
