"""``ks log``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Command
from klarity_storage.cli._output import Output
from klarity_storage.cli._session import Session, pass_session

if TYPE_CHECKING:
    from klarity_storage.protocol.versions import VersionInfo
    from klarity_storage.versions.history import Event


@click.command(
    "log", cls=Command, examples=["ks log vision/datasets/cats", "ks log -n 1 vision/models/net"]
)
@click.argument("reference")
@click.option("--number", "-n", type=click.IntRange(min=1), help="So many at most.")
@pass_session
def command(session: Session, reference: str, number: int | None) -> None:
    """Show the history of a name, newest first.

    Its commits, and who tagged, untagged, deleted or purged what.
    """
    from klarity_storage.errors import VersionNotFoundError

    storage = session.connect()
    events = storage.get_events(reference)
    try:
        versions = [version.info for version in storage.get_versions(reference)]
    except VersionNotFoundError:
        if not events:
            raise
        versions = []  # all were deleted, and that is a history
    if session.out.json:
        session.out.document({"items": versions[:number], "events": events[:number]})
    elif session.out.quiet:
        session.out.write("".join(f"{version.version}\n" for version in versions[:number]))
    else:
        told = {version.seq: _entry(version, session.out) for version in versions}
        told |= {event.seq: _event(event, session.out) for event in events}
        session.out.write("\n".join(told[seq] for seq in sorted(told, reverse=True)[:number]))


def _event(event: Event, out: Output) -> str:
    exact = not out.terminal
    version = _format.digest(event.version, exact)
    what = {
        "tag": f"tag     {event.tag} is {version}",
        "untag": f"untag   {event.tag}",
        "delete": f"delete  {version}{f': {event.reason}' if event.reason else ''}",
        "purge": f"purge   {_format.things(event.objects or 0, 'object')}",
    }[event.action]
    told = f"{what}\nby      {event.by}, {_format.moment(event.at, exact)}"
    return _format.harmless(told) + "\n"


def _entry(version: VersionInfo, out: Output) -> str:
    names = ", ".join([*version.tags, *(["latest"] if version.latest else [])])
    exact = not out.terminal
    lines = [
        f"version {version.version}{f' ({names})' if names else ''}",
        f"by      {version.by}, {_format.moment(version.at, exact)}",
        f"holds   {_format.things(version.files, 'file')}, {_format.size(version.bytes)}",
    ]
    lines += [f"parent  {_format.digest(parent, exact)}" for parent in version.parents]
    lines += [f"from    {reference}" for reference in version.lineage]
    lines += [f"        {key}={value}" for key, value in version.metadata.items()]
    if version.message:
        lines += ["", *(f"    {line}" for line in version.message.splitlines())]
    return _format.harmless("\n".join(lines)) + "\n"
