from __future__ import annotations

from pathlib import Path

import pytest

from cli.harness import Run, document
from klarity_storage.cli import _files
from klarity_storage.cli._files import FileList
from klarity_storage.protocol.versions import TagList, VersionInfo, VersionList


def test_push_keeps_what_was_said_about_it(run: Run, cats: str) -> None:
    dataset = document(run("ls", cats, "--json"), VersionList).items[0].version
    line = "push vision/models/net net.bin --tag prod --tag v-1 --metadata epochs=12"
    info = document(run(*line.split(), "-m", "Baseline", "--lineage", cats, "--json"), VersionInfo)
    assert info.message == "Baseline"
    assert info.metadata == {"epochs": "12"}
    assert info.lineage == [f"{cats}@{dataset}"]
    assert sorted(info.tags) == ["prod", "v-1"]


def test_push_of_the_latest_changes_nothing(run: Run, cats: str) -> None:
    assert "everything was there already" in run("push", cats, "cats", "-m", "Again").stderr
    assert len(document(run("log", cats, "--json"), VersionList).items) == 1


def test_a_wrong_tag_is_refused_before_the_upload(run: Run) -> None:
    run("push", "vision/datasets/cats", "cats", "--tag", "Bad Tag", code=2)
    run("log", "vision/datasets/cats", code=3)


def test_pull_brings_back_the_same_bytes(run: Run, cats: str, work: Path) -> None:
    result = run("pull", cats, "out")
    assert result.stdout == "out\n"
    for file in (work / "cats").rglob("*.txt"):
        assert (work / "out" / file.relative_to(work / "cats")).read_bytes() == file.read_bytes()


def test_pull_of_what_is_there_says_so(run: Run, cats: str) -> None:
    assert "3 files, 15 B" in run("pull", cats, "out").stderr
    assert "everything was there already" in run("pull", cats, "out").stderr


def test_pull_overwrites_nothing(run: Run, cats: str, work: Path) -> None:
    (work / "out" / "train").mkdir(parents=True)
    (work / "out" / "train" / "1 é.txt").write_text("mine")
    result = run("pull", cats, "out", code=5)
    assert "1 é.txt" in result.stderr
    assert [file.name for file in (work / "out").rglob("*.txt")] == ["1 é.txt"]


def test_pull_of_one_folder_or_file_writes_what_lies_in_it(run: Run, cats: str, work: Path) -> None:
    run("pull", f"ks://{cats}@latest/train/", "folder")
    assert sorted(file.name for file in (work / "folder").iterdir()) == [
        f"{number} é.txt" for number in range(3)
    ]
    assert "1 file, 5 B" in run("pull", f"ks://{cats}@latest/train/1 é.txt", "file").stderr
    assert (work / "file" / "1 é.txt").read_text() == "cat 1"
    assert "'trai'" in run("pull", f"ks://{cats}@latest/trai", "none", code=3).stderr


def test_pull_by_globs(run: Run, cats: str, work: Path) -> None:
    run("pull", cats, "out", "-i", "train/*", "-x", "*1 é.txt", "-x", "*2*")
    assert [str(file.relative_to(work / "out")) for file in (work / "out").rglob("*.txt")] == [
        "train/0 é.txt"
    ]
    run("pull", cats, "none", "--include", "*.png", code=3)


def test_ls_goes_from_spaces_down_to_files(run: Run, cats: str) -> None:
    run("table", "push", "vision/tables/runs", "runs.csv")
    assert "vision" in run("ls").stdout
    assert run("ls", "vision", "-q").stdout.split() == [cats, "vision/tables/runs"]
    assert run("ls", "vision/tables", "-q").stdout == "vision/tables/runs\n"
    assert run("ls", "vision/datasets/", "-q").stdout == f"{cats}\n"
    assert "First pictures" in run("ls", cats).stdout
    long = run("ls", "--long", f"{cats}@latest").stdout.splitlines()
    assert long[0].split() == ["SIZE", "SHA256", "TYPE", "PATH"]
    assert long[1].split(maxsplit=3)[3] == "train/0 é.txt"


def test_ls_of_a_folder_of_a_version(run: Run, work: Path) -> None:
    (work / "cats" / "train2").mkdir()
    (work / "cats" / "train2" / "x.txt").write_text("x")
    run("push", "vision/datasets/cats", "cats")

    def paths(below: str) -> list[str]:
        target = f"ks://vision/datasets/cats@latest/{below}"
        return [file.path for file in document(run("ls", target, "--json"), FileList).items]

    assert len(paths("train")) == 3
    assert paths("train2/x.txt") == ["train2/x.txt"]
    assert len(paths("train/")) == 3
    assert run("ls", "ks://vision/datasets/cats@latest/none").stdout == ""


def test_ls_of_one_folder_shows_its_folders_and_files(run: Run, work: Path) -> None:
    (work / "cats" / "a.txt").write_text("x")
    run("push", "vision/datasets/cats", "cats")
    top = "vision/datasets/cats@latest"
    assert run("ls", "--folder", top, "-q").stdout == "train/\na.txt\n"
    lines = run("ls", "-dl", top).stdout.splitlines()
    assert lines[1].split() == ["train/"]
    assert lines[2].split()[0] == "1"
    assert len(run("ls", "-d", f"ks://{top}/train", "-q").stdout.splitlines()) == 3


def test_log_tells_the_history_newest_first(run: Run, cats: str) -> None:
    run("push", cats, "report", "-m", "Second\n\nwith a reason")
    text = run("log", cats).stdout
    assert text.index("Second") < text.index("First pictures")
    assert "    with a reason\n" in text
    assert "(latest)" in text.splitlines()[0]
    assert "parent  " in text
    assert "First" not in run("log", cats, "-n", "1").stdout


def test_tags_are_set_moved_listed_and_removed(run: Run, cats: str) -> None:
    first = document(run("ls", cats, "--json"), VersionList).items[0].version
    assert run("tag", f"{cats}@{first[:6]}", "prod").stdout == f"{cats}@prod\n"
    run("push", cats, "report")
    run("tag", "add", f"{cats}@latest", "prod")
    (tag,) = document(run("tag", "ls", cats, "--json"), TagList).items
    assert tag.tag == "prod"
    assert tag.version != first
    result = run("tag", "rm", cats, "prod")
    assert (result.stdout, result.stderr) == ("", f"{cats} has no tag prod any more.\n")
    assert "ks tag" in run("tag", "ls", cats).stderr
    run("tag", "rm", cats, "prod", code=3)


def test_the_short_way_to_tag_keeps_its_options(run: Run, cats: str) -> None:
    assert run("tag", "--quiet", f"{cats}@latest", "prod").stderr == ""
    assert "No such command" in run("tag", "prod", code=2).stderr


def test_ls_of_many_files_writes_what_it_writes_of_few(
    run: Run, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (work / "few" / "in").mkdir(parents=True)
    for number in range(5):
        (work / "few" / "in" / f"{number} é.txt").write_text(number * "x")
    (work / "few" / "turned \u202e.bin").write_bytes(bytes(1234))
    run("push", "vision/datasets/few", "few")
    target = "vision/datasets/few@latest"
    shapes = [[], ["--long"], ["--quiet"], ["--json"], ["--json", "--long"]]
    places = [target, f"ks://{target}/in"]
    commands = [("ls", *shape, place) for shape in shapes for place in places]
    few = [run(*command).stdout for command in commands]
    monkeypatch.setattr(_files, "MANY", 2)
    assert [run(*command).stdout for command in commands] == few
    assert "\u202e" not in "".join(few[:6])
    assert "holds no file" in run("ls", f"ks://{target}/none").stderr


def test_files_are_shown_as_the_push_says(
    run: Run, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = "vision/artefacts/scan"
    how = ["--display", "ct.png=image", "--display", "mask.png=overlay of ct.png"]
    run("push", target, "scan", *how)
    long = run("ls", "--long", f"{target}@latest")
    assert long.stdout.splitlines()[0].split() == ["SIZE", "SHA256", "TYPE", "SHOWN", "PATH"]
    assert "overlay of ct.png" in long.stdout
    documents = run("ls", "--json", f"{target}@latest")
    ct, mask = document(documents, FileList).items
    assert (ct.role, mask.role, mask.overlay_of) == ("image", "overlay", "ct.png")
    folder = run("ls", "--long", "--folder", f"{target}@latest").stdout
    assert "overlay of ct.png" in folder
    monkeypatch.setattr("klarity_storage.cli._files.MANY", 1)
    assert run("ls", "--long", f"{target}@latest").stdout == long.stdout
    assert run("ls", "--json", f"{target}@latest").stdout == documents.stdout


def test_a_file_says_how_files_are_shown(run: Run, work: Path) -> None:
    target = "vision/artefacts/scan"
    (work / "a=b.png").write_bytes(b"x")
    (work / "how.json").write_text('{"ct.png": "image"}')
    run("push", target, "scan", "--display", "@how.json")
    assert "image" in run("ls", "--long", f"{target}@latest").stdout
    assert "role" not in run("ls", "--json", f"{target}@latest").stdout.replace(
        '"role":"image"', ""
    )
    run("push", "vision/artefacts/odd", "a=b.png", "--display", "a=b.png=image")
    assert "image" in run("ls", "--long", "vision/artefacts/odd@latest").stdout
    (work / "how.json").write_text("{}")
    run("push", target, "scan", "--display", "@how.json")
    assert "role" not in run("ls", "--json", f"{target}@latest").stdout


@pytest.mark.parametrize(
    "how", ["ct.png", "ct.png=picture", "@none.json", "@list.json", "@bad.json"]
)
def test_what_cannot_be_shown_so_is_refused(run: Run, work: Path, how: str) -> None:
    (work / "list.json").write_text("[]")
    (work / "bad.json").write_text("{")
    run("push", "vision/artefacts/scan", "scan", "--display", how, code=2)
    assert (
        "no file 'x.png'"
        in run("push", "vision/artefacts/scan", "scan", "--display", "x.png=image", code=2).stderr
    )
