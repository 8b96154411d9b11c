"""``ks doctor``: try what must work from here, and what must not."""

from __future__ import annotations

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Command
from klarity_storage.cli._session import Session, pass_session


@click.command("doctor", cls=Command, examples=["ks doctor", "ks doctor --json"])
@pass_session
def command(session: Session) -> None:
    """Try what must work from here, and what must not.

    With your own credentials: the connection, the clock, your token, the local cache, the engine,
    and whether keys of the server do more than they should. Leaves nothing behind, prints PASS,
    FAIL or SKIP for each, and exits with 1 when one fails.
    """
    from klarity_storage.client.doctor.check import Report
    from klarity_storage.client.doctor.diagnose import diagnose

    out = session.out
    found = []
    for check in diagnose(session.at):
        found.append(check)
        if not out.json and not out.quiet:
            out.write(_format.harmless(f"{check.outcome}  {check.name}: {check.told}\n"))
            if check.remedy:
                out.write(_format.harmless(f"      try: {check.remedy}\n"))
    report = Report(items=found)
    if out.json:
        out.document(report)
    elif out.quiet:
        out.write("".join(f"{c.name}\n" for c in found if c.outcome == "FAIL"))
    if not report.healthy:
        raise click.exceptions.Exit(1)
