"""The user that a subject of an issuer is: found, or made at first sight."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import exists, insert, select
from sqlalchemy.exc import IntegrityError

from klarity_storage.protocol.audit import AuditEvent
from klarity_storage.protocol.users import CreateUser
from klarity_storage.server.catalog.users import new_user
from klarity_storage.server.db import schema
from klarity_storage.server.db.engine import Database
from klarity_storage.server.oidc.claims import display_name, user_name
from klarity_storage.server.oidc.remember import Known
from klarity_storage.server.oidc.verify import Verified, refusal
from klarity_storage.server.rights.actor import principal_of
from klarity_storage.server.services import Services

_LOG = logging.getLogger(__name__)
_USERS: Final = schema.users.c


def find_or_make(services: Services, known: Known, claim: str, request_id: str, remote: str) -> str:
    """The name of a subject's user.

    A user belongs to the subject who was first seen under the name. What the issuer calls the
    subject later changes nothing, so that no name moves to another person with all its grants.

    Args:
        services: the server's parts.
        known: a token of the subject.
        claim: which of its claims names a new user.
        request_id: of the request that it came with.
        remote: the address that this came from.

    Raises:
        UnauthenticatedError: the name is nobody's to take.
        UnavailableError: the database or the audit log does not answer.
    """
    verified = known.verified
    if (found := _found(services.database, verified)) is not None:
        return found
    name = user_name(verified.claims, claim)
    with services.database.read() as connection:
        taken = connection.execute(select(exists().where(_USERS.name == name))).scalar_one()
    if not taken:
        # recorded first, as what leaves no line must not happen
        services.audit.write(_event(name, known, request_id, remote))
        _make(services, verified, name)
    if (found := _found(services.database, verified)) is not None:  # also by another request
        return found
    _LOG.warning("%s of issuer %s is the name of another account", name, verified.issuer)
    raise refusal(
        f"the name {name!r} belongs to an account that is not this one of {verified.issuer}"
    )


def _found(database: Database, verified: Verified) -> str | None:
    query = select(_USERS.name).where(
        _USERS.issuer == verified.issuer, _USERS.subject == verified.subject
    )
    with database.read() as connection:
        name: str | None = connection.execute(query).scalar_one_or_none()
    return name


def _make(services: Services, verified: Verified, name: str) -> None:
    wanted = CreateUser(name=name, display_name=display_name(verified.claims, name))
    row = new_user(wanted) | {"issuer": verified.issuer, "subject": verified.subject}
    try:
        with services.rights.change() as connection:
            connection.execute(insert(schema.users).values(row))
    except IntegrityError:
        return  # another request of the same caller was faster


def _event(name: str, known: Known, request_id: str, remote: str) -> AuditEvent:
    verified = known.verified
    return AuditEvent(
        at=datetime.now(UTC),
        request_id=request_id,
        principal=principal_of(name),
        token_id=known.token_id,
        remote=remote,
        operation="know_the_caller",
        action="own",
        target=f"user {name}",
        about=f"made at first sight: subject {verified.subject!r} of {verified.issuer}",
        allowed=True,
        via="issuer",
        reason="a configured issuer vouches for the caller",
    )
