from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "writing-tables.md"


def test_the_page_on_writing_does_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)

    exec(compile(code, PAGE.name, "exec"), {})

    told = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in told[:-1]] == [
        "RESTORE", "DELETE", "WRITE", "WRITE", "MERGE", "WRITE",
    ]  # fmt: skip
    assert told[-1] == "0 files are needed by old versions only"
