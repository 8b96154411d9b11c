"""/v1/credentials."""

from __future__ import annotations

from litestar import post
from litestar.params import JSONBody

from klarity_storage.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    QuotaError,
    TooLargeError,
)
from klarity_storage.protocol.credentials import CredentialsRequest, S3Credentials
from klarity_storage.server.catalog import credentials
from klarity_storage.server.http.authentication import Caller
from klarity_storage.server.http.documents import failures


@post(
    "/credentials",
    tags=["credentials"],
    status_code=200,
    responses=failures(ForbiddenError, QuotaError, NotFoundError, ConflictError, TooLargeError),
    sync_to_thread=True,
)
def issue_credentials(context: Caller, data: JSONBody[CredentialsRequest]) -> S3Credentials:
    """Issue temporary S3 keys to the part of the bucket that was asked for."""
    return credentials.issue_credentials(context, data)


ROUTES = [issue_credentials]
