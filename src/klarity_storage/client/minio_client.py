"""A MinIO client whose keys renew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import minio
from minio.credentials.credentials import Credentials as MinioKeys
from minio.credentials.providers import Provider

from klarity_storage.client.credentials import host_of

if TYPE_CHECKING:
    from klarity_storage.client.credentials import Credentials


def engine_client(credentials: Credentials) -> minio.Minio:
    """A client of the engine over these credentials."""
    host, secure = host_of(credentials.current.endpoint)
    return minio.Minio(
        host,
        secure=secure,
        region=credentials.current.region,
        credentials=_Provider(credentials),
    )


class _Provider(Provider):
    """MinIO asks for keys with every request."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def retrieve(self) -> MinioKeys:
        keys = self._credentials.current
        return MinioKeys(keys.access_key_id, keys.secret_access_key, keys.session_token)
