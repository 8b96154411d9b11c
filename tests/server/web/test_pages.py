"""Which addresses of a page are replaced, and that nothing else is touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klarity_storage.server.web.pages import address_by_version

FILES = {"assets/x.js", "assets/a b.css", "logo.png", "docs/y.js", "x.html"}


def address_of(path: str) -> str | None:
    return f"/_ks/V/{path.replace(' ', '%20')}" if path in FILES else None


def replaced(page: str, path: str = "index.html", root: str = "/") -> str:
    return address_by_version(page.encode(), path, root, address_of).decode()


@pytest.mark.parametrize(
    ("written", "path", "expected"),
    [
        ('<script src="assets/x.js">', "index.html", "/_ks/V/assets/x.js"),
        (
            "<script type=module crossorigin src=./assets/x.js></script>",
            "index.html",
            "/_ks/V/assets/x.js",
        ),
        ("<SCRIPT\nSRC = '/assets/x.js'>", "index.html", "/_ks/V/assets/x.js"),
        ('<script src="../assets/x.js?v=1#a">', "docs/index.html", "/_ks/V/assets/x.js?v=1#a"),
        ('<script src="y.js">', "docs/index.html", "/_ks/V/docs/y.js"),
        (
            '<link rel="stylesheet" href="assets/a%20b.css">',
            "index.html",
            "/_ks/V/assets/a%20b.css",
        ),
        (
            '<link href="assets/x.js" rel="preload modulepreload"/>',
            "index.html",
            "/_ks/V/assets/x.js",
        ),
        ('<img alt="src=no" src="logo.png">', "index.html", "/_ks/V/logo.png"),
        ('<script src="../../../assets/x.js">', "index.html", "/_ks/V/assets/x.js"),
    ],
)
def test_what_a_page_loads_is_addressed_by_version(written: str, path: str, expected: str) -> None:
    page = f"<!doctype html>\r\n<p>é</p>\n{written}<p>after"
    found = replaced(page, path)
    assert f'"{expected}"' in found
    assert found.startswith("<!doctype html>\r\n<p>é</p>\n")
    assert found.endswith("<p>after")


@pytest.mark.parametrize(
    "page",
    [
        '<script src="https://cdn.example.org/assets/x.js"></script>',
        '<script src="//cdn.example.org/assets/x.js"></script>',
        '<script src="data:text/javascript,1"></script>',
        '<script src="gone.js"></script><script src=""></script><script></script>',
        '<!-- <script src="assets/x.js"></script> -->',
        """<script>const t = '<script src="assets/x.js">';</script>""",
        '<style>p { background: url("logo.png") }</style>',
        '<a href="assets/x.js">it</a><form action="assets/x.js">',
        '<link rel="manifest" href="logo.png"><link rel="icon" href="logo.png">',
        '<link rel="canonical" href="/x.html"><iframe src="x.html"></iframe>',
        '<img data-src="logo.png">',
        '<base href="/"><p title="<script src=\'assets/x.js\'>">',
        '<script src="assets/x.js',
    ],
)
def test_everything_else_stays(page: str) -> None:
    assert replaced(page) == page


def test_a_page_that_was_built_for_its_path() -> None:
    page = '<script src="/web/s/prod/assets/x.js"></script><img src="/logo.png">'
    found = replaced(page, root="/web/s/prod/")
    assert found == '<script src="/_ks/V/assets/x.js"></script><img src="/_ks/V/logo.png">'


def test_what_is_not_utf8_is_left_alone() -> None:
    page = b'\xff<script src="assets/x.js">'
    assert address_by_version(page, "index.html", "/", address_of) == page


def test_quotes_cannot_break_out_of_an_attribute() -> None:
    odd = {'a"b.js': "/_ks/V/a%22b.js", "a'b.js": "/_ks/V/a'b\"><script>.js"}
    found = address_by_version(
        b"<script src='a&quot;b.js'></script><script src=\"a'b.js\"></script>",
        "index.html",
        "/",
        odd.get,
    ).decode()
    assert found.count("<script") == 2
    assert '"/_ks/V/a%22b.js"' in found
    assert "&quot;&gt;&lt;script&gt;" in found


@given(st.text(alphabet="<>!-/=\"' \nascriptlnkhefxjmgo.&;é", max_size=120))
def test_no_page_is_too_strange(text: str) -> None:
    found = replaced(text)
    assert replaced(text) == found
    if "assets/x.js" not in text and "logo.png" not in text:
        assert found == text
