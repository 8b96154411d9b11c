"""README and docs do what they say."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest

import klarity_storage as ks
from conftest import PlantTree
from server_fixture import RunningServer

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def test_the_ten_lines_of_the_readme_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    ten_lines = blocks(ROOT / "README.md", "python")[0]
    exec(compile(ten_lines, "README.md", "exec"), {})
    assert capsys.readouterr().out == "b'meow'\n[{'good': 1}]\n"
    assert len([line for line in ten_lines.splitlines() if line.strip()]) <= 12


def test_the_keys_of_the_readme_open_the_engine(
    server: RunningServer, plant: PlantTree, space: str
) -> None:
    server.admin.create_space(space)
    server.admin.push(f"{space}/datasets/cats", plant({"one.txt": b"meow"}))
    code = blocks(ROOT / "README.md", "python")[1].replace("vision/", f"{space}/")
    names = {"storage": server.admin}
    exec(compile(code, "README.md", "exec"), names)
    s3, keys = names["s3"], names["keys"]
    found = s3.list_objects_v2(Bucket=keys.bucket, Prefix=f"{space}/datasets/cats/")  # type: ignore[attr-defined]
    assert found["KeyCount"] == 3


def test_the_commands_of_the_readme_run(
    web_server: RunningServer, tmp_path: Path, plant: PlantTree, space: str
) -> None:
    plant({"one.txt": b"meow"}, "cats")
    (tmp_path / "runs.csv").write_text("id,score\n1,0.5\n")
    (tmp_path / "scan.dcm").write_bytes(b"DICM")
    plant({"index.html": b"<p>"}, "dist")
    web_server.admin.create_space(f"{space}-site", bucket="site")  # others have theirs there, too
    (tmp_path / ".safenai").write_text(f'[storage]\ndataspaces = ["{space}-site"]\n')
    commands = [
        shlex.split(line.replace("vision", space), comments=True)
        for line in blocks(ROOT / "README.md", "sh")[1].splitlines()
        if line.strip()
    ]
    environment = os.environ | {"KS_URL": web_server.address, "KS_TOKEN": web_server.token}
    for command in commands:
        ks_program = Path(sys.executable).with_name(command[0])
        arguments = ["--help"] if command[1] in ("serve", "login") else command[2:]
        done = subprocess.run(
            [ks_program, command[1], *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
    assert (tmp_path / "out" / "one.txt").read_bytes() == b"meow"


def test_the_shell_line_recomputes_a_version_hash(tmp_path: Path, plant: PlantTree) -> None:
    tree = {"b/ü 1.png": b"1", "a": b"", "a-b": b"22", "B": b"3"}
    version = ks.connect(tmp_path / "store").push("vision/datasets/cats", plant(tree))
    version.download(tmp_path / "out")
    line = blocks(ROOT / "docs" / "format.md", "sh")[0]
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout.decode().split()[0] == version.hash


def test_every_setting_is_documented_as_it_is() -> None:
    from klarity_storage.server.settings.sections import table

    page = (ROOT / "docs" / "server.md").read_text()
    for setting in table():
        default = "" if setting.default is None else f"`{setting.default}`"
        assert f"| `{setting.key}` | {default} | {setting.text} |" in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_are_named_exist(page: Path) -> None:
    from klarity_storage.cli.main import main as cli

    named = re.findall(r"`ks ([a-z]+)", page.read_text()) + [
        line.split()[1]
        for block in blocks(page, "sh")
        for line in block.splitlines()
        if line.startswith("ks ")
    ]
    with cli.make_context("ks", [], resilient_parsing=True) as context:
        assert set(named) <= set(cli.list_commands(context))


def modules() -> list[str]:
    found = walk_packages(ks.__path__, "klarity_storage.")
    return [module.name for module in found if ".migrations." not in module.name]


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    results = doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS)
    assert results.failed == 0
