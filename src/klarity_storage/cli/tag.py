"""``ks tag``: names for versions."""

from __future__ import annotations

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Group
from klarity_storage.cli._output import Column
from klarity_storage.cli._session import Session, pass_session

COLUMNS = (
    Column("tag", whole=True),
    Column("version", form=_format.digest, whole=True),
    Column("set", lambda tag: tag.at, _format.moment),
    Column("by"),
)


HISTORY = (
    Column("action"),
    Column("tag", whole=True),
    Column("version", form=_format.digest, whole=True),
    Column("at", form=_format.moment),
    Column("by"),
)


class TagGroup(Group):
    """``ks tag REF TAG`` means ``ks tag add REF TAG``: a reference has a slash, a verb has none."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        return super().resolve_command(ctx, ["add", *args] if "/" in args[0] else args)


@click.group("tag", cls=TagGroup)
def command() -> None:
    """Name versions: add, ls, rm.

    `ks tag REFERENCE TAG` is short for `ks tag add REFERENCE TAG`.
    """


@command.command(
    "add",
    examples=[
        "ks tag add vision/datasets/cats@latest prod",
        "ks tag vision/datasets/cats@prod v-1",
    ],
)
@click.argument("reference")
@click.argument("tag")
@pass_session
def add(session: Session, reference: str, tag: str) -> None:
    """Set a tag on a version, or move it there."""
    info = session.connect().tag(reference, tag)
    name = reference.removeprefix("ks://").partition("@")[0]
    session.out.result(
        info, f"{name}@{info.tag}", f"{info.tag} is now {_format.digest(info.version)}."
    )


@command.command(
    "ls", examples=["ks tag ls vision/datasets/cats", "ks tag ls --history vision/datasets/cats"]
)
@click.argument("name")
@click.option("--history", is_flag=True, help="Who set and removed which tag, newest first.")
@pass_session
def ls(session: Session, name: str, history: bool) -> None:
    """List the tags of a name."""
    from klarity_storage.protocol.versions import TagList

    if history:
        _history(session, name)
        return
    tags = session.connect().get_tags(name)
    session.out.listing(
        TagList(items=tags),
        COLUMNS,
        line=lambda tag: tag.tag,
        empty=f"{name} has no tag. Set one with: ks tag {name}@latest TAG",
    )


def _history(session: Session, name: str) -> None:
    events = [event for event in session.connect().get_events(name) if event.tag]
    if session.out.json:
        session.out.document({"items": events})
    elif session.out.quiet:
        session.out.write("".join(f"{event.tag}\n" for event in events))
    elif not events:
        session.out.say(f"{name} never had a tag.")
    else:
        exact = not session.out.terminal
        rows = [[column.text(event, exact) for column in HISTORY] for event in events]
        session.out.rows(HISTORY, rows)


@command.command("rm", examples=["ks tag rm vision/datasets/cats v-1"])
@click.argument("name")
@click.argument("tag")
@pass_session
def rm(session: Session, name: str, tag: str) -> None:
    """Remove a tag; the version stays."""
    session.connect().untag(name, tag)
    session.out.result({"removed": tag}, "", f"{name} has no tag {tag} any more.")
