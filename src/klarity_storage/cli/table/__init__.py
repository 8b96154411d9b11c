"""``ks table``: Delta Lake tables, a file a verb."""

from __future__ import annotations

import click

from klarity_storage.cli._command import Group
from klarity_storage.cli.table import (
    delete,
    history,
    ls,
    optimize,
    push,
    query,
    restore,
    show,
    vacuum,
)

VERBS = (push, ls, show, query, history, delete, restore, optimize, vacuum)
"""In the order of use, which is the order of the help."""


@click.group("table", cls=Group)
def command() -> None:
    """Tables: push, ls, show, query, history, and their upkeep."""


for verb in VERBS:
    command.add_command(verb.command)
