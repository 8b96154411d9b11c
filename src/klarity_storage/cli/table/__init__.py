"""``ks table``: Delta Lake tables, a file a verb."""

from __future__ import annotations

import click

from klarity_storage.cli._command import Group
from klarity_storage.cli.table import ls, push, query, show

VERBS = (push, ls, show, query)
"""In the order of use, which is the order of the help."""


@click.group("table", cls=Group)
def command() -> None:
    """Tables: ls, show, push, query."""


for verb in VERBS:
    command.add_command(verb.command)
