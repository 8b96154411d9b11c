"""The one sink: data on stdout, talk on stderr.

A command says what it found once; the sink decides how it reads: a table that fits the terminal,
aligned text for a pipe, one JSON document, or bare identifiers for scripts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from klarity_storage.cli import _format

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Column:
    """A column of a listing.

    Args:
        title: its heading.
        value: what it shows of an item; the attribute named like the title without it.
        form: how that reads.
        right: numbers stand to the right.
        whole: folded rather than shortened where the terminal is too narrow: names that one copies.
        loose: the first to give way: texts that one only glances at.
        verbatim: the title is somebody's own and stays as it is.
    """

    title: str
    value: Callable[[Any], object] | None = None
    form: _format.Form = field(default=_format.plain)
    right: bool = False
    whole: bool = False
    loose: bool = False
    verbatim: bool = False

    @property
    def heading(self) -> str:
        return _format.plain(self.title if self.verbatim else self.title.upper(), exact=True)

    def text(self, item: object, exact: bool) -> str:
        value = self.value(item) if self.value else getattr(item, self.title.replace(" ", "_"))
        return self.form(value, exact)


@dataclass
class Output:
    """Where a command's results go.

    Args:
        json: one JSON document on stdout, and nothing else there; a Problem on stderr on failure.
        quiet: only what scripts need on stdout; only errors on stderr.
        color: colour on a terminal that has it.
    """

    json: bool = False
    quiet: bool = False
    color: bool = True

    @property
    def terminal(self) -> bool:
        """Whether a person reads stdout."""
        return sys.stdout.isatty()

    @property
    def silent(self) -> bool:
        """Whether talk would disturb."""
        return self.quiet or self.json

    def listing(
        self,
        document: Any,
        columns: Sequence[Column],
        *,
        line: Callable[[Any], str],
        empty: str,
    ) -> None:
        """Show the ``items`` of a document as a table.

        Args:
            document: the struct that ``--json`` writes.
            columns: what a person sees.
            line: what ``--quiet`` writes of each item.
            empty: what to say when there is none.
        """
        if self.json:
            self.document(document)
        elif self.quiet:
            self.write("".join(f"{_format.plain(line(item))}\n" for item in document.items))
        elif not document.items:
            self.say(empty)
        else:
            self.rows(
                columns, [[c.text(i, not self.terminal) for c in columns] for i in document.items]
            )

    def rows(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
        """Show texts in columns: fitted to a terminal, or aligned and whole."""
        if self.terminal:
            told = [i for i, c in enumerate(columns) if c.whole or any(row[i] for row in rows)]
            _print_table(
                self._console(sys.stdout),
                [columns[i] for i in told],
                [[row[i] for i in told] for row in rows],
            )
        else:
            self.write(_aligned(columns, rows))

    def facts(self, document: Any, facts: Mapping[str, str], *, line: str) -> None:
        """Show one thing: labels and values, a JSON document, or its ``line`` alone."""
        if self.json:
            self.document(document)
        elif self.quiet:
            self.write(f"{line}\n")
        else:
            width = max(map(len, facts), default=0)
            self.write("".join(_labelled(k, v, width) for k, v in facts.items() if v))

    def result(self, document: Any, line: str, said: str = "") -> None:
        """Answer an action: its ``line`` on stdout, and what was done on stderr."""
        if self.json:
            self.document(document)
            return
        if said:
            self.say(said)
        self.write(f"{line}\n" if line else "")

    def document(self, document: Any) -> None:
        """Write one JSON document."""
        import msgspec

        encoded = msgspec.json.encode(document)
        if self.terminal:
            encoded = msgspec.json.format(encoded)
        self.write(encoded.decode() + "\n")

    def write(self, text: str) -> None:
        """Write data as it is."""
        _write(sys.stdout, text)

    def say(self, text: str) -> None:
        """Tell a person something beside the data."""
        if not self.silent:
            _write(sys.stderr, f"{_format.harmless(text)}\n")

    def ask(self, text: str) -> None:
        """Tell a person what the command waits for, whatever else is silent."""
        _write(sys.stderr, f"{_format.harmless(text)}\n")
        sys.stderr.flush()

    def hint(self, text: str) -> None:
        """Tell a person at a terminal where to go on; scripts need no advice."""
        if sys.stderr.isatty():
            self.say(f"hint: {text}")

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask before what cannot be undone.

        Raises:
            InvalidInputError: nobody is there to ask, and ``yes`` was not given.
            click.Abort: the answer is no.
        """
        if yes:
            return
        import click

        from klarity_storage.errors import InvalidInputError

        if not sys.stdin.isatty() or self.json:
            raise InvalidInputError(
                f"{question} Nobody is at the terminal to answer.", hint="Add --yes."
            )
        click.confirm(question, abort=True, err=True)

    def failure(self, text: str) -> None:
        """Say what went wrong, whatever else is silent."""
        if self.color and sys.stderr.isatty() and "NO_COLOR" not in os.environ:
            label, colon, rest = text.partition(":")
            text = f"\x1b[1;31m{label}\x1b[0m{colon}{_format.harmless(rest)}"
        else:
            text = _format.harmless(text)
        _write(sys.stderr, f"{text}\n")

    def _console(self, stream: TextIO) -> Console:
        from rich.console import Console

        return Console(file=stream, no_color=not self.color or None, highlight=False)


def _write(stream: TextIO, text: str) -> None:
    """Write whatever the terminal's encoding can show, and the rest written out."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


def _print_table(
    console: Console, columns: Sequence[Column], rows: Sequence[Sequence[str]]
) -> None:
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    lines = [[column.heading for column in columns], *rows]
    natural = sum(max(cell_len(line[i]) for line in lines) + 2 for i in range(len(columns)))
    tight = natural > console.width and any(column.loose for column in columns)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", expand=tight)
    for column in columns:
        table.add_column(
            Text(column.heading),
            justify="right" if column.right else "left",
            overflow="fold" if column.whole else "ellipsis",
            no_wrap=not column.whole,
            ratio=1 if tight and column.loose else None,  # what the others leave
        )
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _aligned(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> str:
    lines = [[column.heading for column in columns], *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "".join(
        "  ".join(
            text.rjust(width) if column.right else text.ljust(width)
            for column, text, width in zip(columns, line, widths, strict=True)
        ).rstrip()
        + "\n"
        for line in lines
    )


def _labelled(label: str, value: str, width: int) -> str:
    first, *rest = _format.harmless(value).split("\n")
    indent = " " * (width + 2)
    return f"{label.ljust(width)}  {first}\n" + "".join(f"{indent}{line}\n" for line in rest)
