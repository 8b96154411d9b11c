"""``ks proxy``: nginx in front of a server."""

from __future__ import annotations

import os
from pathlib import Path

import click

from klarity_storage.cli._command import Group
from klarity_storage.cli._session import Session, pass_session


@click.group("proxy", cls=Group)
def command() -> None:
    """Let nginx stand in front of a server: config.

    HTTPS, a read cache, and S3 for callers on other machines.
    """


@command.command(
    "config",
    server=True,
    examples=[
        "ks proxy config --data ./ks-data > nginx.conf",
        "ks proxy config --data ./ks-data --config klarity.toml > nginx.conf",
    ],
)
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The data directory of ks serve.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Settings (klarity.toml in the data directory, if there).",
)
@pass_session
def config(session: Session, data: Path, config: Path | None) -> None:
    """Write a configuration of nginx from the settings of a server.

    It goes to standard output, holds no secret, and is written anew after a change of the settings.
    """
    from klarity_storage.server.proxy.configure import configure, publishes_s3
    from klarity_storage.server.proxy.warn import warnings
    from klarity_storage.server.settings.read import read_settings

    settings = read_settings(data, file=config, environment=os.environ)
    text = configure(settings)
    out = session.out
    if out.json:
        out.document(
            {"config": text, "address": settings.proxy.address, "s3": publishes_s3(settings)}
        )
    else:
        out.write(text)
    for warning in warnings(settings):
        out.say(warning)
    out.hint('nginx -c "$PWD/nginx.conf"')
