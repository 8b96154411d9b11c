"""``ks web``: front ends in several versions, and what shows them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Group
from klarity_storage.cli._output import Column
from klarity_storage.cli._progress import Transfer
from klarity_storage.cli._session import Session, pass_session

if TYPE_CHECKING:
    from klarity_storage.protocol.web import Deployment, Release


def _bare(app: str | None) -> str:
    """A front end without its kind: ``web/kd-front``."""
    return (app or "").replace("/artefacts/", "/")


def _address(found: Deployment) -> str:
    return ", ".join(found.hosts) or found.path or ""


def _mark(release: Release) -> str:
    return "*" if release.current else "+" if release.kept else ""


def _shown(release: Release) -> str:
    return f"{_bare(release.app)}@{release.version}" if release.app else "nothing"


def _reference(value: object, exact: bool = False) -> str:
    """A front end with its version, without its space where a person reads it."""
    app, at, version = str(value).partition("@")
    if exact:
        return str(value)
    return f"{app.rpartition('/')[2]}{at}{_format.digest(version)}"


def _told(release: Release) -> str:
    return f"(rollback) {release.message}".rstrip() if release.rollback else release.message


DEPLOYMENTS = (
    Column("deployment", lambda found: f"{found.space}/{found.name}", whole=True),
    Column("app", lambda found: _bare(found.release.app), whole=True),
    Column("version", lambda found: found.release.version, _format.digest, whole=True),
    Column("data", lambda found: len(found.release.data) or None, right=True),
    Column("since", lambda found: found.release.at, _format.moment),
    Column("address", _address, loose=True),
)
RELEASES = (
    Column("", _mark, verbatim=True),
    Column("release", form=_format.digest, whole=True),
    Column("shows", _shown, _reference, whole=True),
    Column("data", lambda release: len(release.data) or None, right=True),
    Column("at", form=_format.moment),
    Column("by"),
    Column("message", _told, loose=True),
)


@click.group("web", cls=Group)
def command() -> None:
    """Front ends: publish, deploy, rollback, ls, show, history, remove.

    A front end is what a bundler writes. Publishing makes a version of it; a deployment shows one
    version to browsers, and switches in one write. APP is SPACE/NAME, and DEPLOYMENT is
    SPACE/NAME; either without its space where you see one public space for front ends.
    """


@command.command(
    "publish",
    server=True,
    examples=[
        "ks web publish ./dist --app kd-front",
        "ks web publish ./dist --app site/kd-front -m 'Overlays'",
    ],
)
@click.argument("source", metavar="PATH", type=click.Path(exists=True, path_type=Path))
@click.option("--app", required=True, help="The front end: SPACE/NAME, or NAME.")
@click.option("--message", "-m", default="", help="Why: one sentence for the history.")
@pass_session
def publish(session: Session, source: Path, app: str, message: str) -> None:
    """Make a new version of a front end; `ks web deploy` shows it.

    PATH is the folder that the bundler wrote, with its index.html. Files that any version has are
    not uploaded again; those that become smaller are compressed once, here.
    """
    session.interrupted = "Nothing was published: run the same command again."
    with Transfer(session.out) as transfer:
        version = session.connect().publish_web(app, source, message=message, progress=transfer)
    session.out.result(
        version.info,
        version.ref,
        f"Published {_bare(str(version.name))}@{_format.digest(version.hash)}: "
        f"{_format.things(version.info.files, 'file')}, {_format.size(version.info.bytes)}.",
    )
    session.out.hint(f"ks web deploy DEPLOYMENT --app {app}@{_format.digest(version.hash)}")


@command.command(
    "deploy",
    server=True,
    examples=[
        "ks web deploy prod --app kd-front",
        "ks web deploy site/test --app site/kd-front@latest --data vision/artefacts/report@latest",
    ],
)
@click.argument("deployment")
@click.option("--app", required=True, help="The front end, and which version: kd-front@3f9a.")
@click.option(
    "--data", multiple=True, metavar="REF", help="A version that the page reads; repeatable."
)
@click.option("--message", "-m", default="", help="Why: one sentence for the history.")
@pass_session
def deploy(
    session: Session, deployment: str, app: str, data: tuple[str, ...], message: str
) -> None:
    """Show a version of a front end from the next page load on.

    Pages that are open keep the files of their version. What `--data` names is pinned with the
    front end, by its whole hash, and moves with it: pages read it from /deployment.json.
    """
    found = session.connect().deploy_web(deployment, app, data=data, message=message)
    _tell_switch(session, found)


@command.command(
    "rollback", server=True, examples=["ks web rollback prod -m 'Overlays are shifted'"]
)
@click.argument("deployment")
@click.option("--to", metavar="RELEASE", help="Which one, as `ks web history` shows it.")
@click.option("--message", "-m", default="", help="Why: one sentence for the history.")
@pass_session
def rollback(session: Session, deployment: str, to: str | None, message: str) -> None:
    """Show the release before again, with the data that were pinned with it."""
    _tell_switch(session, session.connect().rollback_web(deployment, to=to, message=message))


@command.command("ls", server=True, examples=["ks web ls", "ks web ls site"])
@click.argument("space", required=False)
@pass_session
def ls(session: Session, space: str | None) -> None:
    """List the deployments, and what they show."""
    from klarity_storage.client.connection import ALL
    from klarity_storage.protocol.web import DeploymentList

    storage = session.connect()
    session.out.listing(
        DeploymentList(items=storage.get_deployments(space or ALL)),
        DEPLOYMENTS,
        line=lambda found: f"{found.space}/{found.name}",
        empty="Nothing is deployed. Show a front end with: ks web deploy DEPLOYMENT --app APP",
    )


@command.command("show", server=True, examples=["ks web show prod"])
@click.argument("deployment")
@pass_session
def show(session: Session, deployment: str) -> None:
    """Show what a deployment shows, where, and with which data."""
    storage = session.connect()
    found = storage.get_deployment(deployment)
    release, exact = found.release, not session.out.terminal
    facts = {
        "deployment": f"{found.space}/{found.name}",
        "app": f"{_bare(release.app)}@{release.version}",
        "data": "\n".join(f"{name}@{version}" for name, version in release.data.items()),
        "since": f"{_format.moment(release.at, exact)}, by {release.by}",
        "message": release.message,
        "release": release.release,
        "hosts": "\n".join(found.hosts),
        "address": storage.location + found.path if found.path else "",
    }
    session.out.facts(found, facts, line=str(release.version))


@command.command("history", server=True, examples=["ks web history prod"])
@click.argument("deployment")
@pass_session
def history(session: Session, deployment: str) -> None:
    """Show what a deployment has shown, newest first.

    A star marks what it shows now, a plus what it can be rolled back to.
    """
    from klarity_storage.protocol.web import ReleaseList

    session.out.listing(
        ReleaseList(items=session.connect().get_releases(deployment)),
        RELEASES,
        line=lambda release: release.release,
        empty="It has shown nothing yet.",
    )


@command.command("remove", server=True, examples=["ks web remove --yes site/test"])
@click.argument("deployment")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_session
def remove(session: Session, deployment: str, yes: bool) -> None:
    """Show nothing any more, and let go of the versions that were kept for it.

    Its history stays, and `ks web rollback` shows the last release again as long as its versions
    are there.
    """
    session.out.confirm(f"Take the deployment {deployment} down?", yes=yes)
    session.connect().remove_deployment(deployment)
    session.out.result({"removed": deployment}, "", f"{deployment} shows nothing any more.")


def _tell_switch(session: Session, found: Deployment) -> None:
    release = found.release
    with_data = ""
    if release.data:
        with_data = f" with {_format.things(len(release.data), 'pinned version')}"
    session.out.result(
        found,
        f"{_bare(release.app)}@{release.version}",
        f"{found.space}/{found.name} shows {_bare(release.app)}@{_format.digest(release.version)}"
        f"{with_data}.",
    )
    where = found.hosts[0] if found.hosts else None
    if where or found.path:
        session.out.hint(where or f"{session.connect().location}{found.path}")
