"""What the project promises of itself."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

import klarity_storage as ks

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
MAX_LINES = 400
MAX_FUNCTION = 45
UNWANTED = (
    r"index-url\s*[=h]",
    r"\"resolved\": *\"http",
    r"pypi\.org/simple",
    r"(?<!\w)/ro[o]t/",
    r"/home/[a-z]+/",
    r"\bTOD[O]\b",
    r"\bFIXM[E]\b",
)


def test_public_names_are_sorted_and_all_there() -> None:
    assert ks.__all__ == sorted(ks.__all__)
    for name in ks.__all__:
        assert getattr(ks, name) is not None
    assert dir(ks) == ks.__all__
    with pytest.raises(AttributeError, match="nothing"):
        _ = ks.nothing


def test_every_error_is_public() -> None:
    from klarity_storage import errors

    assert {cls.__name__ for cls in errors.error_classes().values()} <= set(ks.__all__)


def test_nothing_stands_at_the_top_that_nobody_looks_for() -> None:
    paths = [file.relative_to(ROOT).parts for file in tracked()]
    known = {"benchmarks", "contract", "deploy", "design", "docs", "examples", "js", "src", "tests"}
    assert {path[0] for path in paths if len(path) > 1} == known | {".ci"}


def test_the_version_is_one() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == ks.__version__


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT / "src")))
def test_files_and_functions_can_be_read_at_one_sitting(file: Path) -> None:
    text = file.read_text()
    assert len(text.splitlines()) <= MAX_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert length <= MAX_FUNCTION, f"{node.name} has {length} lines"


def tracked() -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line for line in done.stdout.splitlines()]


def test_no_file_names_a_registry_a_machine_or_an_unfinished_thing() -> None:
    for file in tracked():
        if file.suffix in {".py", ".toml", ".md", ".lock", ".json", ".sh", ""} and file.is_file():
            text = file.read_text(encoding="utf-8")
            found = [pattern for pattern in UNWANTED if re.search(pattern, text)]
            assert found == [], file.relative_to(ROOT)


def test_the_lock_holds_exact_versions_of_what_the_project_names() -> None:
    pins = (ROOT / "requirements.lock").read_text().splitlines()
    assert all(re.fullmatch(r"[a-z0-9.-]+==[^ ]+|#.*", line) for line in pins)
    text = (ROOT / "pyproject.toml").read_text()
    named = {
        name.lower()
        for name in re.findall(r'^ *"([A-Za-z0-9-]+)(?:\[.*?\])?[>=]', text, re.MULTILINE)
    }
    assert named <= {line.partition("==")[0] for line in pins}
