"""``ks serve``: a server with its own S3 engine, or over one that stands already."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click

from klarity_storage.cli._command import Command

SETTINGS: Final = {
    "host": "server.host",
    "port": "server.port",
    "engine": "engine.kind",
    "endpoint": "engine.endpoint",
    "sts_endpoint": "engine.sts_endpoint",
    "public_endpoint": "engine.public_endpoint",
    "region": "engine.region",
    "role_arn": "engine.role_arn",
    "bucket": "storage.bucket",
}
"""The setting that each option overrides."""


@click.command(
    "serve",
    cls=Command,
    server=True,
    examples=[
        "ks serve --data ./ks-data",
        "ks serve --data ./ks-data --port 0",
        "ks serve --data ./ks-data --config klarity.toml",
    ],
)
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Everything the server keeps; made when missing.",
)
@click.option("--host", help="Address to listen on (127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port; 0 takes any free one (8420).")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Settings (klarity.toml in the data directory, if there).",
)
@click.option("--engine", type=click.Choice(["seaweed", "s3"]), help="S3 engine (seaweed).")
@click.option("--endpoint", help="s3: its URL.")
@click.option("--sts-endpoint", help="s3: the URL of STS, where it is another.")
@click.option("--public-endpoint", help="The URL of S3 that clients are given, behind a proxy.")
@click.option("--region", help="s3: its region (us-east-1).")
@click.option("--role-arn", help="s3: the role of temporary credentials.")
@click.option("--bucket", help="Bucket that holds everything (klarity).")
def command(data: Path, config: Path | None, **options: str | int | None) -> None:
    """Start a server with its own S3 engine.

    The first start prints the administrator's token, once. Stop with Ctrl-C or SIGTERM. What is
    not said here comes from klarity.toml. The keys of an S3 that stands already are never
    options: set KS_S3_ACCESS_KEY_ID and KS_S3_SECRET_ACCESS_KEY, or [engine] in klarity.toml.
    """
    from klarity_storage.server.main import serve
    from klarity_storage.server.settings.read import read_settings

    overrides = {SETTINGS[name]: value for name, value in options.items()}
    serve(read_settings(data, file=config, overrides=overrides, environment=os.environ))
