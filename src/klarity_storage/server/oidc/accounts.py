"""The user that somebody is whom an issuer knows: found, or made at first sight."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import RowMapping, exists, insert, select
from sqlalchemy.exc import IntegrityError

from klarity_storage.protocol.audit import AuditEvent
from klarity_storage.protocol.users import CreateUser
from klarity_storage.server.audit.refused import RefusedTokenError
from klarity_storage.server.catalog.users import new_user
from klarity_storage.server.db import schema
from klarity_storage.server.db.engine import Database
from klarity_storage.server.oidc.claims import display_name, user_name
from klarity_storage.server.oidc.verify import Verified, refusal
from klarity_storage.server.rights.actor import principal_of
from klarity_storage.server.services import Services

_LOG = logging.getLogger(__name__)
_USERS: Final = schema.users.c


@dataclass(frozen=True, slots=True)
class Seen:
    """A token that is good, and the request that brought it."""

    verified: Verified
    token_id: str
    request_id: str
    remote: str


def find_or_make(services: Services, seen: Seen, claim: str) -> RowMapping:
    """The user of an issuer's subject.

    A user belongs to the subject who was first seen under the name. What the issuer calls the
    subject later changes nothing, so that no name moves to another person with all its grants.

    Args:
        services: the server's parts.
        seen: whose token came in.
        claim: which one names a new user.

    Raises:
        UnauthenticatedError: the user is disabled, or the name is nobody's to take.
        UnavailableError: the database or the audit log does not answer.
    """
    row = _found(services.database, seen.verified)
    if row is None:
        name = user_name(seen.verified.claims, claim)
        _make(services, seen, name)
        row = _found(services.database, seen.verified)
        if row is None:
            raise _taken(name, seen.verified)
    if row["disabled_at"] is not None:
        error = refusal("the user is disabled")
        raise RefusedTokenError(
            error.message,
            principal=principal_of(row["name"]),
            token_id=seen.token_id,
            hint=error.hint,
        )
    return row


def _found(database: Database, verified: Verified) -> RowMapping | None:
    query = select(schema.users).where(
        _USERS.issuer == verified.issuer, _USERS.subject == verified.subject
    )
    with database.read() as connection:
        return connection.execute(query).mappings().one_or_none()


def _make(services: Services, seen: Seen, name: str) -> None:
    """Make the user, unless the name or the subject is taken."""
    with services.database.read() as connection:
        taken = select(exists().where(_USERS.name == name))
        if connection.execute(taken).scalar_one():
            return
    verified = seen.verified
    wanted = CreateUser(name=name, display_name=display_name(verified.claims, name))
    row = new_user(wanted) | {"issuer": verified.issuer, "subject": verified.subject}
    services.audit.write(_event(name, seen))  # first: what is not recorded is not done
    try:
        with services.rights.change() as connection:
            connection.execute(insert(schema.users).values(row))
    except IntegrityError:
        return  # another request of the same caller was faster


def _taken(name: str, verified: Verified) -> Exception:
    _LOG.warning("%s of issuer %s is the name of another account", name, verified.issuer)
    return refusal(
        f"the name {name!r} belongs to an account that is not this one of {verified.issuer}"
    )


def _event(name: str, seen: Seen) -> AuditEvent:
    return AuditEvent(
        at=datetime.now(UTC),
        request_id=seen.request_id,
        principal=principal_of(name),
        token_id=seen.token_id,
        remote=seen.remote,
        operation="know_the_caller",
        action="own",
        target=f"user {name}",
        about=f"made at first sight: subject {seen.verified.subject!r} of {seen.verified.issuer}",
        allowed=True,
        via="issuer",
        reason="a configured issuer vouches for the caller",
    )
