"""``ks service``: machine accounts, which hold tokens and nothing else."""

from __future__ import annotations

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Group
from klarity_storage.cli._output import Column
from klarity_storage.cli._session import Session, pass_session

COLUMNS = (
    Column("name", whole=True),
    Column("display name", loose=True),
    Column("space"),
    Column("created", lambda service: service.created_at, _format.moment),
    Column("disabled", lambda service: service.disabled_at, _format.moment),
)


@click.group("service", cls=Group)
def command() -> None:
    """Machine accounts, which hold tokens: create, ls, disable."""


@command.command(
    "create",
    server=True,
    examples=[
        "ks service create trainer --space vision --display-name 'Nightly training'",
        "ks service create importer",
    ],
)
@click.argument("name")
@click.option("--space", help="Its owners make the service's tokens and disable it.")
@click.option("--display-name", default="", help="What it is.")
@pass_session
def create(session: Session, name: str, space: str | None, display_name: str) -> None:
    """Create a machine account, which still needs a token and grants.

    It takes an owner of its space; without a space, an administrator.
    """
    service = session.connect().admin.create_service(name, display_name, space=space)
    session.out.result(service, service.name, f"Created the service {service.name}.")
    session.out.hint(
        f"ks token create --service {name}, and ks grant add service:{name} ROLE PATTERN"
    )


@command.command("ls", server=True, examples=["ks service ls"])
@pass_session
def ls(session: Session) -> None:
    """List services."""
    from klarity_storage.protocol.services import ServiceList

    services = session.connect().admin.get_services()
    session.out.listing(
        ServiceList(items=services),
        COLUMNS,
        line=lambda service: service.name,
        empty="There is no service that you may see.",
    )


@command.command("disable", server=True, examples=["ks service disable importer --yes"])
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_session
def disable(session: Session, name: str, yes: bool) -> None:
    """Lock a service out for good: none of its tokens works any more."""
    session.out.confirm(f"Disable the service {name}?", yes=yes)
    service = session.connect().admin.disable_service(name)
    session.out.result(service, service.name, f"Disabled the service {service.name}.")
