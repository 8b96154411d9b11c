"""``ks``: the table of nouns, and the one place where failures end.

A noun's module is imported when the noun is used: ``ks --help`` reads the table alone.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from typing import Any, Final, NamedTuple, NoReturn

import click

from klarity_storage.cli import _errors
from klarity_storage.cli._command import global_options, write_examples, write_options
from klarity_storage.cli._session import Session


class Noun(NamedTuple):
    """A line of ``ks --help``."""

    section: str
    help: str


NOUNS: Final = {
    "login": Noun("Start", "Keep a server's address and your token for later commands."),
    "logout": Noun("Start", "Forget your token, and end the login that it is of."),
    "whoami": Noun("Start", "Show who you are here, and what you were granted."),
    "doctor": Noun("Start", "Try what must work from here, and what must not."),
    "ls": Noun("Versions", "List spaces, names, versions, or the files of a version."),
    "push": Noun("Versions", "Make a new version out of a file or a directory."),
    "pull": Noun("Versions", "Write the files of a version into a directory."),
    "log": Noun("Versions", "Show the history of a name, newest first."),
    "diff": Noun("Versions", "Show what differs between two versions."),
    "lineage": Noun("Versions", "Show what a version was made from, and what was made from it."),
    "tag": Noun("Versions", "Name versions: add, ls, rm."),
    "cache": Noun("Versions", "What was fetched once: ls, path, prune, verify, clear."),
    "rm": Noun("Versions", "Delete a version, whose bytes stay until `ks gc`; or a table."),
    "verify": Noun("Versions", "Read every byte back and hold it against its digest."),
    "gc": Noun("Versions", "List what no version refers to, and delete it when asked to."),
    "table": Noun("Tables", "Tables: push, ls, show, query, cache, and their upkeep."),
    "raw": Noun("Tables", "Binaries of a table's rows: push, ls, pull, rm."),
    "web": Noun("Front ends", "Front ends: publish, deploy, rollback, ls, show, history, remove."),
    "credentials": Noun("Tables", "Get temporary S3 credentials for other tools."),
    "space": Noun(
        "Administration", "Spaces, the units of ownership: create, ls, show, quota, move."
    ),
    "user": Noun("Administration", "People who log in: create, ls, disable."),
    "service": Noun("Administration", "Machine accounts, which hold tokens: create, ls, disable."),
    "group": Noun(
        "Administration", "Groups of users and services: create, ls, show, add, remove, rm."
    ),
    "token": Noun("Administration", "Tokens of users and services: create, ls, revoke."),
    "grant": Noun("Administration", "Who may do what, until when: add, ls, explain, who, rm."),
    "audit": Noun("Administration", "Show who did what, and who was refused."),
    "serve": Noun("Administration", "Start a server with its own S3 engine."),
    "proxy": Noun("Administration", "Let nginx stand in front of a server: config."),
    "admin": Noun(
        "Administration", "Upkeep of a server, on its machine: backup, restore, reindex."
    ),
}
"""Every command: ``ks --help`` reads this table alone; a test compares it with the commands."""

EXAMPLES: Final = (
    "ks --at ./store space create demo",
    "ks --help",
)


class Root(click.Group):
    """``ks`` itself."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(NOUNS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in NOUNS:
            return None
        command = importlib.import_module(f"klarity_storage.cli.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in NOUNS and not args[0].startswith("-"):
            raise click.UsageError(f"There is no command {args[0]!r}.{_nearest(args[0])}", ctx)
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        write_options(self, ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        width = max(map(len, NOUNS))
        for section in dict.fromkeys(noun.section for noun in NOUNS.values()):
            with formatter.section(section):
                formatter.write_dl(
                    [(k.ljust(width), v.help) for k, v in NOUNS.items() if v.section == section]
                )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        write_examples(formatter, EXAMPLES)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # who reads has seen enough, as `head` does
            raise click.exceptions.Exit(_errors.CLOSED_PIPE) from None

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run, and leave with the exit code of what happened."""
        session = extra.setdefault("obj", Session())
        given = args[0] if args else extra.get("args")
        argv = sys.argv[1:] if given is None else list(given)
        session.out.json = "--json" in argv  # known even where the arguments cannot be read
        session.traceback = "--traceback" in argv
        try:
            code = super().main(*args, **extra | {"prog_name": "ks", "standalone_mode": False})
            sys.stdout.flush()
        except click.exceptions.NoArgsIsHelpError as help_text:
            help_text.show()
            code = help_text.exit_code
        except BaseException as error:
            if isinstance(error, SystemExit):
                raise
            code = _errors.report(error, session, "ks")
        sys.exit(code if isinstance(code, int) else 0)


def run() -> NoReturn:
    """The ``ks`` script: run, then leave at once.

    The interpreter's own end waits for nothing that ks needs, and Arrow aborts a process that ends
    while its threads start (pyarrow 26: one run in twelve).
    """
    code: object = 0
    try:
        main()
    except SystemExit as leaving:
        code = leaving.code
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # a closed pipe or a full disk was told already
            stream.flush()
    os._exit(code if isinstance(code, int) else 0)


def _nearest(word: str) -> str:
    import difflib

    near = difflib.get_close_matches(word, NOUNS, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def _show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    del param
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"ks {version('klarity-storage')}")
        ctx.exit()


@click.group(cls=Root, params=[*global_options()])
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version,
    help="Show the version and leave.",
)  # fmt: skip
def main() -> None:
    """Klarity Storage: artefacts, models, datasets and tables, with rights and history.

    Where ks connects to: --at, then KS_URL, then the .safenai file that `ks login` writes. A
    directory is a store of its own, without server and account.

    Your token comes from KS_TOKEN or from .safenai, and is never an option: the system's list of
    processes would show it.
    """


__all__ = ["NOUNS", "main", "run"]
