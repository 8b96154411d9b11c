"""``ks table``: Delta Lake tables, a file a verb."""

from __future__ import annotations

import click

from klarity_storage.cli._command import Group
from klarity_storage.cli.table import (
    cache,
    cached,
    delete,
    diff,
    discard,
    history,
    ls,
    optimize,
    promote,
    push,
    query,
    restore,
    show,
    uncache,
    vacuum,
)

VERBS = (
    *(push, ls, show, query, history, delete, restore, optimize, vacuum),
    *(cache, cached, diff, promote, discard, uncache),
)
"""In the order of use, which is the order of the help."""


@click.group("table", cls=Group)
def command() -> None:
    """Tables: push, ls, show, query, cache, and their upkeep."""


for verb in VERBS:
    command.add_command(verb.command)
