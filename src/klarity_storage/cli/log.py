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


@click.command(
    "log", cls=Command, examples=["ks log vision/datasets/cats", "ks log -n 1 vision/models/net"]
)
@click.argument("reference")
@click.option("--number", "-n", type=click.IntRange(min=1), help="So many at most.")
@pass_session
def command(session: Session, reference: str, number: int | None) -> None:
    """Show the history of a name, newest first."""
    from klarity_storage.protocol.versions import VersionList

    versions = [version.info for version in session.connect().get_versions(reference)[:number]]
    if session.out.json:
        session.out.document(VersionList(items=versions))
    elif session.out.quiet:
        session.out.write("".join(f"{version.version}\n" for version in versions))
    else:
        session.out.write("\n".join(_entry(version, session.out) for version in versions))


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
