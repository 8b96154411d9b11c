"""Temporary credentials of the engine, for what the caller may do."""

from __future__ import annotations

from klarity_storage.layout import Name
from klarity_storage.protocol.credentials import CredentialsRequest, S3Credentials
from klarity_storage.server.context import Context
from klarity_storage.server.credentials.issue import issue
from klarity_storage.server.rights.operations import ACTIONS
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.require import require


def issue_credentials(context: Context, request: CredentialsRequest) -> S3Credentials:
    """Keys to the part of the bucket that was asked for.

    Raises:
        NotFoundError: there is no such space or name, or the caller may not see it.
        ForbiddenError: no grant covers all of the scope.
        ConflictError: the folder belongs to a version, or was purged: it is never written again.
    """
    about = f"{request.operation} {request.scope} for {request.duration} s"
    require(context, ACTIONS[request.operation], Pattern.of_scope(request.scope), about=about)
    services = context.services
    engine = services.buckets.of(request.scope.partition("/")[0]).engine

    def has_version(name: Name, version: str) -> bool:
        return version in services.histories.read(engine.store, name).closed

    keys = issue(engine, has_version, request, context.actor.principal, context.request_id)
    services.metrics.issued(request.operation)
    return keys
