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


def test_rm_asks_and_gc_lists_before_it_deletes(run: Run, cats: str, work: Path) -> None:
    first = run("log", "-q", cats).stdout.strip()
    run("tag", f"{cats}@latest", "prod")
    run("push", cats, "report")
    assert "Add --yes" in run("rm", f"{cats}@{first}", code=2).stderr
    assert "ks tag rm" in run("rm", "--yes", f"{cats}@{first}", code=5).stderr
    run("rm", "--yes", cats, code=2)
    run("rm", "--yes", "--untag", "-m", "wrong labels", f"{cats}@{first}")
    run("ls", f"{cats}@{first}", code=3)

    log = run("log", cats).stdout
    assert f"delete  {first}: wrong labels" in log
    assert log.index("delete") < log.index("tag     prod")
    history = run("tag", "ls", "--history", cats).stdout.splitlines()
    assert [line.split()[:3] for line in history[1:]] == [["tag", "prod", first]]

    assert "0 objects" in run("gc", cats).stderr
    dry = run("gc", "--grace", "0", cats)
    assert "train/1 é.txt" in dry.stdout
    assert "4 objects" in dry.stderr
    assert "was deleted" in run("gc", "--why", f"{cats}/{first}/train/1 é.txt").stdout
    assert "Add --yes" in run("gc", "--grace", "0", "--delete", cats, code=2).stderr
    assert len(list((work / "store" / cats / first).rglob("*.txt"))) == 3

    told = json.loads(run("gc", "--grace", "0", "--delete", "--yes", "--json", "vision").stdout)
    assert (told["dry_run"], told["objects"]) == (False, 4)
    assert list((work / "store" / cats / first).rglob("*.txt")) == []
    assert "4 objects" in run("log", cats).stdout
    run("push", cats, "cats")
    run("verify", "vision")


def test_log_of_a_name_whose_versions_are_all_gone(run: Run, cats: str) -> None:
    run("rm", "--yes", f"{cats}@latest")
    assert run("log", cats).stdout.startswith("delete  ")
    assert json.loads(run("log", "--json", cats).stdout)["items"] == []
    run("log", "vision/datasets/none", code=3)


def test_lineage_shows_both_ways(run: Run, cats: str) -> None:
    run("push", "vision/models/net", "net.bin", "--lineage", cats)
    assert "vision/models/net@" in run("lineage", cats).stdout
    told = json.loads(run("lineage", "--json", "vision/models/net").stdout)
    assert told["made_from"][0].startswith(f"{cats}@")
