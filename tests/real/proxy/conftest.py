"""One server and one nginx for the tests of a file, with a version of some files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nginx_fixture import Site, running_site
from proxy_versions import FILES, Pushed, pushed


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(
        tmp_path_factory.mktemp("site"),
        'decision = 3\n[limits]\nguesses = 0\n[buckets.site]\nstrategy = "web"\n',
    ) as running:
        with running.admin() as storage:
            storage.create_space("vision")
        yield running


@pytest.fixture(scope="module")
def cats(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Pushed:
    return pushed(site, tmp_path_factory.mktemp("trees"), "vision/datasets/cats", FILES)
