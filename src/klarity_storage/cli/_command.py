"""What every command has: global options before and after the noun, examples that are run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from klarity_storage.cli._session import Session


class Command(click.Command):
    """A command with global options and examples.

    Args:
        examples: shell lines that show its use; the tests run every one of them, in order.
        server: whether it needs a server, so that its examples cannot run on a directory.
    """

    def __init__(
        self, *args: Any, examples: Sequence[str] = (), server: bool = False, **settings: Any
    ) -> None:
        super().__init__(*args, **settings)
        self.examples = tuple(examples)
        self.server = server
        self.params.extend(global_options())

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_options(self, ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        write_examples(formatter, self.examples)


class Group(click.Group):
    """A noun: its verbs are Commands, and its help shows an example of each."""

    command_class = Command

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.params.extend(global_options())

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        write_options(self, ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        verbs = [self.get_command(ctx, verb) for verb in self.list_commands(ctx)]
        write_examples(
            formatter, [v.examples[0] for v in verbs if isinstance(v, Command) and v.examples]
        )

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx  # in the order of the file, which is the order of use
        return list(self.commands)


def write_options(
    command: click.Command, ctx: click.Context, formatter: click.HelpFormatter
) -> None:
    """The command's own options first; those that every command has below."""
    own: list[tuple[str, str]] = []
    shared: list[tuple[str, str]] = []
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None:
            (shared if isinstance(param, GlobalOption) else own).append(record)
    for title, records in (("Options", own), ("Global options", shared)):
        if records:
            with formatter.section(title):
                formatter.write_dl(records)


def write_examples(formatter: click.HelpFormatter, examples: Sequence[str]) -> None:
    """Shell lines as they are typed: never wrapped, so that they can be copied."""
    if examples:
        formatter.write("\nEXAMPLES\n")
        for example in examples:
            formatter.write(f"  $ {example}\n")


class GlobalOption(click.Option):
    """An option that stands before or after the noun and ends in the Session."""


def global_options() -> list[GlobalOption]:
    """The options of every command, made anew for each."""
    return [
        _option("--at", metavar="URL|DIR", help="Server or local directory to speak to."),
        _option("--json", is_flag=True, help="One JSON document on stdout."),
        _option("--quiet", "-q", is_flag=True, help="Only what scripts need."),
        _option("--no-color", is_flag=True, help="No colour."),
        _option("--traceback", is_flag=True, hidden=True, help="Show where an error came from."),
    ]


def _option(*names: str, **settings: Any) -> GlobalOption:
    return GlobalOption(
        names, expose_value=False, is_eager=True, callback=_choose, default=None, **settings
    )


def _choose(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep what was said before the noun unless it is said again after it."""
    session = ctx.ensure_object(Session)
    if not value:
        return
    match param.name:
        case "at":
            session.at = value
        case "traceback":
            session.traceback = True
        case "no_color":
            session.out.color = False
        case "json":
            session.out.json = True
        case "quiet":
            session.out.quiet = True
