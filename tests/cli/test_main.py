from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli.harness import Run
from klarity_storage.cli._command import Command, GlobalOption, Group
from klarity_storage.cli.main import NOUNS, main

HEAVY = (
    "pyarrow",
    "datafusion",
    "deltalake",
    "obstore",
    "urllib3",
    "rich",
    "litestar",
    "sqlalchemy",
)


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command by what one types."""
    context = click.Context(main, info_name="ks")
    for noun in NOUNS:
        command = main.get_command(context, noun)
        assert command is not None
        yield noun, command
        if isinstance(command, click.Group):
            yield from ((f"{noun} {verb}", each) for verb, each in command.commands.items())


@pytest.mark.parametrize("line", ["--help", "--version", "pus", "push --help", "table --help"])
def test_help_loads_nothing_heavy(line: str) -> None:
    script = (
        "import json, sys\n"
        "from klarity_storage.cli.main import main\n"
        "try: main()\n"
        "finally: json.dump(sorted({m.partition('.')[0] for m in sys.modules}), sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *line.split()], capture_output=True, text=True, check=False
    )
    loaded = json.loads(done.stderr.splitlines()[-1])
    assert "click" in loaded
    assert not set(HEAVY) & set(loaded)


def test_help_lists_every_command_with_its_own_words(run: Run) -> None:
    text = run("--help").stdout
    for noun, command in commands():
        assert isinstance(command, Command | Group), noun
        if noun in NOUNS:
            assert command.help is not None
            assert NOUNS[noun].help == command.help.partition("\n")[0]
            assert f"  {noun.ljust(11)}  {NOUNS[noun].help}\n" in text


def test_every_command_has_an_examples_section(run: Run) -> None:
    for line, command in commands():
        text = run(*line.split(), "--help").stdout
        assert "\nEXAMPLES\n  $ " in text, line
        if isinstance(command, Command):
            for example in command.examples:
                assert f"  $ {example}\n" in text


def test_no_option_takes_a_secret() -> None:
    for line, command in commands():
        for param in command.params:
            takes_text = isinstance(param, click.Option) and not param.is_flag
            assert not (takes_text and {"token", "secret", "password"} & {param.name}), line


def test_global_options_stand_before_or_after_the_noun(run: Run, cats: str, work: Path) -> None:
    before = run("--json", "ls", cats).stdout
    after = run("ls", cats, "--json").stdout
    assert before == after
    assert json.loads(before)["items"]
    assert run("space", "--json", "ls").stdout == run("space", "ls", "--json").stdout
    elsewhere = str(work / "elsewhere")
    assert run("--at", elsewhere, "-q", "space", "ls").stdout == ""
    assert run("-q", "space", "ls", "--at", elsewhere).stdout == ""
    assert run("-q", "space", "ls").stdout == "vision\n"


def test_every_command_takes_the_global_options() -> None:
    for line, command in commands():
        names = {param.name for param in command.params if isinstance(param, GlobalOption)}
        assert names == {"at", "json", "quiet", "no_color", "traceback"}, line


def test_version(run: Run) -> None:
    assert run("--version").stdout.startswith("ks 0.")


def test_an_unknown_command_is_answered_with_the_nearest(run: Run) -> None:
    result = run("pus", code=2)
    assert result.stdout == ""
    assert result.stderr == (
        "error: There is no command 'pus'. Did you mean 'push'?\ntry: ks --help\n"
    )


def test_a_noun_alone_shows_its_verbs(run: Run) -> None:
    result = run("space", code=2)
    assert "create" in result.stderr
    assert result.stdout == ""
