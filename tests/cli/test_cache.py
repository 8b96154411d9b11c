from __future__ import annotations

from pathlib import Path

from cli.harness import Run, document
from klarity_storage.cli.cache import CacheInfo


def test_a_pull_that_keeps_is_seen_and_cleared(run: Run, cats: str, work: Path) -> None:
    assert document(run("cache", "ls", "--json"), CacheInfo).files == 0
    assert run("cache", "path").stdout == f"{work / 'cache'}\n"
    run("pull", cats, "out", "--keep")
    info = document(run("cache", "ls", "--json"), CacheInfo)
    assert (info.files, info.bytes) == (3, 15)
    assert "15 B" in run("cache", "ls").stdout
    assert "3 files, 15 B" in run("pull", cats, "again").stderr
    run("cache", "clear", code=2)
    run("cache", "clear", "--yes")
    assert document(run("cache", "ls", "--json"), CacheInfo).files == 0
    left = [file.name for file in (work / "cache").iterdir() if file.name != "indexes"]
    assert all(name.startswith("files-") for name in left)  # what pushes know of their own files


def test_prune_and_verify(run: Run, cats: str, work: Path) -> None:
    run("pull", cats, "out", "--keep")
    one = next((work / "cache" / "objects").rglob("*/*"))
    one.chmod(0o644)
    one.write_bytes(b"other")
    assert run("cache", "verify").stdout == f"{one.name}\n"
    assert "No file" in run("cache", "verify").stderr
    assert document(run("cache", "prune", "--to", "0", "--json"), CacheInfo).removed == 10
    assert document(run("cache", "ls", "--json"), CacheInfo).bytes == 0
    run("cache", "prune", "--to", "much", code=2)
