"""``ks diff`` and ``ks verify``."""

from __future__ import annotations

import json
from pathlib import Path

from cli.harness import Run


def test_diff_tells_what_came_and_went(run: Run, cats: str, work: Path) -> None:
    run("tag", f"{cats}@latest", "prod")
    (work / "cats" / "train" / "0 é.txt").write_text("another cat")
    (work / "cats" / "train" / "2 é.txt").rename(work / "cats" / "moved.txt")
    run("push", cats, "cats")

    result = run("diff", f"{cats}@prod", cats)
    assert [line.split()[0] for line in result.stdout.splitlines()] == [
        "CHANGE",
        "renamed",
        "changed",
    ]
    assert "0 added, 0 removed, 1 changed, 1 renamed; 11 B came, 5 B went." in result.stderr
    told = json.loads(run("diff", "--json", f"{cats}@prod", cats).stdout)
    assert (told["changed"], told["renamed"], told["new_bytes"]) == (1, 1, 11)
    assert told["items"][0]["old_path"] == "train/2 é.txt"
    assert run("diff", "-q", f"{cats}@prod", cats).stdout == "moved.txt\ntrain/0 é.txt\n"
    assert "the same files" in run("diff", cats, cats).stderr
    run("diff", cats, f"{cats}@none", code=3)


def test_verify_names_what_is_damaged_and_fails(run: Run, cats: str, work: Path) -> None:
    assert "3 files of 1 version, 15 B" in run("verify", cats).stderr
    (file,) = (work / "store" / cats).rglob("1 é.txt")
    file.write_text("dog 1")

    result = run("verify", "vision", code=6)
    assert "train/1 é.txt" in result.stdout
    assert "1 file of vision cannot be read" in result.stderr
    report = json.loads(run("verify", f"{cats}@latest", "--json", code=6).stdout)
    assert [damage["problem"] for damage in report["damaged"]] == ["altered"]
    assert run("verify", "-q", cats, code=6).stdout.endswith("/train/1 é.txt\n")
    run("verify", f"{cats}@none", code=3)
    run("verify", "nowhere", code=3)
