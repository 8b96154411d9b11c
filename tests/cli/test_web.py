"""``ks web``: what its examples do, what they print, and what they say when they cannot."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import klarity_storage as ks
from cli.harness import Run, Spawn, document
from cli.terminal import on_terminal
from klarity_storage.cli.web import command
from klarity_storage.protocol.versions import VersionInfo
from klarity_storage.protocol.web import Deployment, DeploymentList, ReleaseList
from klarity_storage.server.settings.read import read_settings
from klarity_storage.server.settings.sections import Settings
from server_fixture import start_server

pytestmark = pytest.mark.real

PAGE = Path(__file__).parents[2] / "docs" / "web.md"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture
def site(
    run: Run, tmp_path_factory: pytest.TempPathFactory, work: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A server with one space for front ends, ``site``, and data to pin; a bundle in ``dist``."""
    data = tmp_path_factory.mktemp("site") / "data"
    data.mkdir()
    hosts = '[web.hosts]\n"kd.example.org" = "site/prod"\n'
    (data / "klarity.toml").write_text(f'[buckets.web]\nstrategy = "web"\n{hosts}')
    process, address, token = start_server(data)
    monkeypatch.setenv("KS_URL", address)
    monkeypatch.setenv("KS_TOKEN", token)
    try:
        run("space", "create", "site", "--bucket", "web")
        run("space", "create", "vision")
        run("push", "vision/artefacts/report", "report")
        write(work, "one")
        yield address
    finally:
        process.terminate()
        process.wait(30)


def write(work: Path, text: str) -> None:
    (work / "dist" / "assets").mkdir(parents=True, exist_ok=True)
    (work / "dist" / "index.html").write_text(f"<title>{text}</title>")
    (work / "dist" / "assets" / "app.js").write_text(f"// {text}")


def test_the_examples_run(run: Run, site: str, work: Path) -> None:
    for number, (verb, each) in enumerate(command.commands.items()):
        for example in each.examples:  # type: ignore[attr-defined]
            write(work, f"{number} {example}")
            if verb == "rollback":  # one example deploys to prod: there is nothing before it
                run("web", "publish", "dist", "--app", "kd-front")
                run("web", "deploy", "prod", "--app", "kd-front")
            assert run(*shlex.split(example)[1:]).output, example


def test_a_front_end_from_the_bundler_to_the_browser_and_back(
    run: Run, site: str, work: Path
) -> None:
    published = document(run("web", "publish", "dist", "--app", "kd-front", "--json"), VersionInfo)
    assert (published.space, published.name, published.files) == ("site", "kd-front", 2)
    assert run("web", "ls").stdout == ""
    short = published.version[:8]
    pinned = ("--data", "vision/artefacts/report@latest")
    shown = run("web", "deploy", "prod", "--app", f"kd-front@{short}", *pinned)
    assert shown.stdout == f"site/kd-front@{published.version}\n"
    assert f"site/prod shows site/kd-front@{short}" in shown.stderr
    assert "with 1 pinned version." in shown.stderr
    write(work, "two")
    again = run("web", "publish", "./dist", "--app", "site/kd-front", "-m", "Second")
    assert "Published site/kd-front@" in again.stderr
    assert "2 files" in again.stderr
    run("web", "deploy", "prod", "--app", "kd-front", "-m", "Second")
    history = document(run("web", "history", "prod", "--json"), ReleaseList)
    assert [release.message for release in history.items] == ["Second", ""]
    run("web", "rollback", "prod", "--to", history.items[1].release[:12])
    found = document(run("web", "show", "site/prod", "--json"), Deployment)
    assert (found.release.version, found.hosts) == (published.version, ["kd.example.org"])
    facts = run("web", "show", "prod").stdout
    assert f"{site}/web/site/prod/" in facts
    assert "vision/artefacts/report@" in facts
    table = run("web", "history", "prod").stdout.splitlines()
    assert len(table) == 4
    assert table[1].startswith("*")
    assert "(rollback)" in table[1]
    assert table[2].startswith("+")
    assert f"site/kd-front@{published.version}" in table[1]
    screen = on_terminal("web", "history", "prod", columns=80).splitlines()
    assert len(screen) == len(table)  # a release has one line
    assert f"kd-front@{published.version[:12]}" in screen[1]
    listed = document(run("web", "ls", "--json"), DeploymentList)
    assert [deployment.name for deployment in listed.items] == ["prod"]
    assert run("web", "ls", "--quiet").stdout == "site/prod\n"
    assert "kd.example.org" in run("web", "ls", "site").stdout
    is_kept_until_removed(run, short)


def is_kept_until_removed(run: Run, short: str) -> None:
    kept = run("rm", "--yes", f"site/artefacts/kd-front@{short}", code=5).stderr
    assert "is kept for site/prod" in kept
    assert "try: ks web remove site/prod" in kept
    assert "--yes" in run("web", "remove", "prod", code=2).stderr
    run("web", "remove", "prod", "--yes")
    run("rm", "--yes", f"site/artefacts/kd-front@{short}")
    assert (
        "was deleted on"
        in run("web", "deploy", "prod", "--app", f"kd-front@{short}", code=3).stderr
    )
    assert "no deployment site/prod" in run("web", "show", "prod", code=3).stderr


def test_the_page_on_front_ends_runs(run: Run, site: str, work: Path, spawn: Spawn) -> None:
    del site
    first, data = blocks(PAGE, "sh")
    (python,) = blocks(PAGE, "python")
    names: dict[str, object] = {"storage": ks.connect()}
    exec(compile(python.replace('storage.rollback_web("prod")', ""), PAGE.name, "exec"), names)
    write(work, "two")  # so that there is something to go back to
    spawn(first)
    spawn(data)
    run("web", "rollback", "prod")
    shown = document(run("web", "show", "prod", "--json"), Deployment)
    assert shown.release.data == {}
    settings = tomllib.loads(blocks(PAGE, "toml")[0])
    assert read_settings_of(work, PAGE).web.hosts == settings["web"]["hosts"]


def read_settings_of(work: Path, page: Path) -> Settings:
    (work / "klarity.toml").write_text(blocks(page, "toml")[0])
    return read_settings(work)


def test_what_cannot_be_published(run: Run, site: str, work: Path) -> None:
    del site
    (work / "dist" / "index.html").unlink()
    told = run("web", "publish", "dist", "--app", "kd-front", code=2).stderr
    assert "has no index.html" in told
    assert "hint: Name the folder that the bundler writes" in told
    (work / "dist" / "index.html").symlink_to("assets/app.js")
    assert "is a link" in run("web", "publish", "dist", "--app", "kd-front", code=2).stderr
    assert "There is no" in run("log", "site/artefacts/kd-front", code=3).stderr


def test_a_directory_shows_no_pages(run: Run, work: Path) -> None:
    write(work, "one")
    run("web", "publish", "dist", "--app", "web/kd-front")
    told = run("web", "deploy", "prod", "--app", "web/kd-front", code=2).stderr
    assert "ks login URL" in told
