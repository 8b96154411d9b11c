"""Every example of every command's help runs, in an order that makes sense."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import click
import pytest

from cli.harness import Run, Spawn
from klarity_storage.cli._command import Command
from klarity_storage.cli.main import EXAMPLES, NOUNS, main
from server_fixture import start_server

ORDER = (
    "whoami",
    "space create",
    "space ls",
    "space show",
    "doctor",
    "space quota",
    "user create",
    "user ls",
    "service create",
    "service ls",
    "group create",
    "group ls",
    "group add",
    "group show",
    "token create",
    "token ls",
    "login",
    "grant add",
    "grant ls",
    "grant explain",
    "grant who",
    "push",
    "pull",
    "ls",
    "cache ls",
    "cache path",
    "cache prune",
    "cache verify",
    "cache clear",
    "log",
    "tag add",
    "diff",
    "verify",
    "tag ls",
    "tag rm",
    "lineage",
    "gc",
    "table push",
    "table ls",
    "table show",
    "table query",
    "raw push",
    "raw ls",
    "raw pull",
    "raw rm",
    "table history",
    "table delete",
    "table restore",
    "table optimize",
    "table vacuum",
    "table cache",
    "table cached",
    "table diff",
    "table promote",
    "table discard",
    "table uncache",
    "rm",
    "credentials",
    "audit",
    "grant rm",
    "token revoke",
    "group remove",
    "group rm",
    "service disable",
    "user disable",
    "logout",
)
"""Takers after givers."""

APART = (
    "serve",
    "proxy config",
    "admin backup",
    "admin restore",
    "admin reindex",
    "space move",
)
"""They need a data directory or a second bucket, and ``serve`` does not end: their own tests run
them."""

FRONT_ENDS = (
    "web publish",
    "web deploy",
    "web rollback",
    "web ls",
    "web show",
    "web history",
    "web remove",
)
"""They need a public bucket: tests/cli/test_web.py runs their examples."""


def commands() -> Iterator[tuple[str, Command]]:
    context = click.Context(main, info_name="ks")
    for noun in NOUNS:
        command = main.get_command(context, noun)
        if isinstance(command, click.Group):
            for verb, each in command.commands.items():
                assert isinstance(each, Command)
                yield f"{noun} {verb}", each
        else:
            assert isinstance(command, Command)
            yield noun, command


def play(lines: Iterator[str], run: Run, spawn: Spawn) -> None:
    for line in lines:
        if any(sign in line for sign in "$|<>"):
            done = spawn(f"set -o pipefail; {line}")
            assert done.stdout or done.stderr or "<" in line or ">" in line or "eval" in line
        else:
            words = shlex.split(line)
            assert words[0] == "ks"
            assert run(*words[1:]).output


def test_every_command_has_its_place() -> None:
    assert {line for line, _ in commands()} == {*ORDER, *APART, *FRONT_ENDS}
    assert all(command.examples for _, command in commands())


def test_the_examples_run_on_a_directory(run: Run, spawn: Spawn) -> None:
    known = dict(commands())
    local = (each for line in ORDER if not known[line].server for each in known[line].examples)
    play(local, run, spawn)
    play(iter(EXAMPLES), run, spawn)


@pytest.mark.real
def test_the_examples_run_on_a_server(
    run: Run,
    spawn: Spawn,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process, address, token = start_server(tmp_path_factory.mktemp("examples") / "data")
    try:
        monkeypatch.setenv("KS_URL", address)
        monkeypatch.setenv("KS_TOKEN", token)
        known = dict(commands())
        play((each for line in ORDER for each in known[line].examples), run, spawn)
    finally:
        process.terminate()
        process.wait(30)


def test_the_examples_of_those_apart_can_be_read() -> None:
    known = dict(commands())
    for line in APART:
        for example in known[line].examples:
            words = shlex.split(example.partition(" > ")[0])[1:]
            verb = line.split()
            assert words[: len(verb)] == verb
            with known[line].make_context(line, words[len(verb) :]) as context:
                assert context.params["key" if line == "space move" else "data"]
