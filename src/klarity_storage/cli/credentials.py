"""``ks credentials``: temporary S3 credentials for other tools."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Command
from klarity_storage.cli._parameters import Duration
from klarity_storage.cli._session import Session, pass_session

if TYPE_CHECKING:
    from klarity_storage.client.credentials import Credentials


@click.command(
    "credentials",
    cls=Command,
    server=True,
    examples=[
        'eval "$(ks credentials vision/datasets/cats)"',
        "ks credentials vision/tables/runs --write --duration 2h --format boto3",
        "ks credentials vision --json",
    ],
)
@click.argument("scope")
@click.option("--write", is_flag=True, help="To write as well as to read.")
@click.option("--version", metavar="HASH", help="The version to upload, for SPACE/KIND/NAME.")
@click.option("--duration", type=Duration(), default="1h", show_default=True, help="15m to 12h.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["env", "json", "boto3"]),
    default="env",
    show_default=True,
    help="Lines for a shell, a document, or the arguments of boto3.client.",
)
@pass_session
def command(
    session: Session, scope: str, write: bool, version: str | None, duration: int, form: str
) -> None:
    """Get temporary S3 credentials for other tools.

    SCOPE is SPACE, SPACE/KIND or SPACE/KIND/NAME; the keys reach no further. They are secrets until
    they expire: do not keep them.
    """
    out = session.out
    given = session.connect().credentials(scope, write=write, version=version, duration=duration)
    if out.json or form == "json":
        out.document(given.current)
    elif form == "boto3":
        out.document(_boto3(given))
    else:
        lines = (f"export {key}={shlex.quote(value)}" for key, value in given.as_env().items())
        out.write("".join(f"{line}\n" for line in lines))
    if given.expires_at:
        out.say(f"They expire {_format.moment(given.expires_at)}.")


def _boto3(given: Credentials) -> dict[str, str | None]:
    s3 = given.current
    return {
        "service_name": "s3",
        "endpoint_url": s3.endpoint,
        "region_name": s3.region,
        "aws_access_key_id": s3.access_key_id,
        "aws_secret_access_key": s3.secret_access_key,
        "aws_session_token": s3.session_token,
    }
