"""``ks audit``: who did what, and who was refused."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Command
from klarity_storage.cli._output import Column
from klarity_storage.cli._parameters import Past, Principal
from klarity_storage.cli._session import Session, pass_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from klarity_storage.protocol.audit import AuditEvent

COLUMNS = (
    Column("when", lambda event: event.at, _format.moment),
    Column("who", lambda event: event.principal),
    Column("from", lambda event: event.remote, loose=True),
    Column("did", lambda event: event.operation),
    Column("on", lambda event: event.target, loose=True),
    Column("with", lambda event: event.about, loose=True),
    Column("allowed"),
    Column("by", lambda event: event.via or event.reason, loose=True),
    Column("request", lambda event: event.request_id),
)
EXPORT = "export"


@click.command(
    "audit",
    cls=Command,
    server=True,
    examples=[
        "ks audit --who alice --what vision/datasets --since 2d",
        "ks audit --refused -n 20",
        "ks audit export --since 2030-01-01 > decisions.jsonl",
    ],
)
@click.argument("form", type=click.Choice([EXPORT]), required=False, metavar="[export]")
@click.option("--who", type=Principal(), help="A user's name; anyone: callers nobody knows.")
@click.option("--what", metavar="TARGET", help="vision, and all below it; * and ? are wild.")
@click.option(
    "--did", "operation", metavar="OPERATION", help="An operation of the API: create_grant."
)
@click.option("--request", "request_id", metavar="ID", help="As the engine's log shows it.")
@click.option("--since", type=Past(), help="2d, 12h, or a date.")
@click.option("--until", type=Past(), help="As --since.")
@click.option("--refused", is_flag=True, help="Only what was refused.")
@click.option("--number", "-n", type=click.IntRange(min=1), help="So many at most; 50 unless said.")
@pass_session
def command(
    session: Session,
    /,
    form: str | None,
    refused: bool,
    number: int | None,
    **given: str | datetime | None,
) -> None:
    """Show who did what, and who was refused.

    Administrators see all decisions, owners those about their spaces, everybody their own; newest
    first. `ks audit export` writes them all as JSON lines, oldest first.
    """
    from klarity_storage.protocol.audit import AuditPage

    query: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if refused:
        query["allowed"] = False
    admin = session.connect().admin
    if form == EXPORT:
        _export(session, admin.get_audit(number, **query, oldest_first=True))
        return
    events = list(admin.get_audit(number or 50, **query))
    session.out.listing(
        AuditPage(items=events),
        COLUMNS,
        line=lambda event: event.request_id,
        empty="There is no such decision.",
    )


def _export(session: Session, events: Iterator[AuditEvent]) -> None:
    import json

    import msgspec

    for event in events:
        # ASCII, as it may be a terminal that reads it
        session.out.write(json.dumps(msgspec.to_builtins(event)) + "\n")
