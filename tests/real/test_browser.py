"""The browser that other tests lean on."""

from __future__ import annotations

import pytest

from browser_fixture import RunInBrowser

pytestmark = pytest.mark.real


def test_a_script_runs_in_chromium_and_may_ask_back(browser: RunInBrowser) -> None:
    found = browser("about.js", greeting="hello", double=lambda number: 2 * number)
    assert (found["heading"], found["answer"]) == ("hello", 42)
    assert "Chrome/" in found["agent"]


def test_what_fails_in_a_script_fails_the_test(browser: RunInBrowser) -> None:
    with pytest.raises(AssertionError, match="about:blank is not an object"):
        browser("failing.js")
