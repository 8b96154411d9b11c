"""Temporary credentials of the engine, for what the caller may do."""

from __future__ import annotations

from datetime import timedelta

from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.credentials import (
    Adding,
    CredentialsRequest,
    Operation,
    S3Credentials,
)
from klarity_storage.server.buckets.measure import Amount
from klarity_storage.server.catalog.tables import refuse_expired
from klarity_storage.server.context import Context
from klarity_storage.server.credentials.issue import issue
from klarity_storage.server.credentials.scope import Scope
from klarity_storage.server.rights.operations import ACTIONS
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.require import require
from klarity_storage.server.services import Services


def issue_credentials(context: Context, request: CredentialsRequest) -> S3Credentials:
    """Keys to the part of the bucket that was asked for.

    Raises:
        NotFoundError: there is no such space or name, or the caller may not see it.
        ForbiddenError: no grant covers all of the scope.
        QuotaError: what is about to come does not fit into the space.
        ConflictError: the folder belongs to a version, or was purged: it is never written again.
    """
    about = f"{request.operation} {request.scope} for {request.duration} s"
    require(context, ACTIONS[request.operation], Pattern.of_scope(request.scope), about=about)
    services = context.services
    scope = Scope.parse(request.scope)
    lasting = timedelta(seconds=request.duration)
    if request.operation is Operation.READ:
        if scope.name is not None and scope.kind is Kind.TABLES:
            refuse_expired(services, scope.name)
    else:
        _check_room(services, scope, request)
    write = request.operation is not Operation.READ
    engine = services.buckets.giving_keys(scope.space, lasting, write=write).engine

    def has_version(name: Name, version: str) -> bool:
        return version in services.histories.read(engine.store, name).closed

    keys = issue(engine, has_version, request, context.actor.principal, context.request_id)
    services.metrics.issued(request.operation)
    return keys


def _check_room(services: Services, scope: Scope, request: CredentialsRequest) -> None:
    """Refuse keys to upload what does not fit, or anything where the space is full already."""
    if request.operation in {Operation.VACUUM, Operation.DROP}:
        return
    adding = request.adding or Adding(bytes=1, objects=1)
    below = None
    if scope.name is not None and request.version is not None and scope.name.kind.versioned:
        below = scope.name.version_prefix(request.version)
    services.usage.check(scope.space, Amount(adding.bytes, adding.objects), below)
