from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "cached-tables.md"


def test_the_page_on_cached_tables_does_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)

    exec(compile(code, PAGE.name, "exec"), {})

    assert capsys.readouterr().out.splitlines() == [
        "1 0 1",
        "[{'id': 3, 'score': 1.0}]",
        "[]",
    ]
