"""Keys to the engine, in the shape that each library wants, renewed where it can renew."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from obstore.store import S3Store

from klarity_storage.errors import ConfigurationError, ConflictError
from klarity_storage.protocol.credentials import Adding, Operation, S3Credentials
from klarity_storage.tables.location import storage_options

if TYPE_CHECKING:
    import boto3
    from minio import Minio

RENEW_BEFORE = timedelta(minutes=5)
"""How long before their end keys are renewed: longer than clocks differ and a part takes."""


class Issuer(Protocol):
    """Who gives out keys."""

    def issue(
        self,
        scope: str,
        operation: Operation,
        version: str | None,
        duration: int,
        adding: Adding | None = None,
    ) -> S3Credentials: ...


class Credentials:
    """The keys to a part of the engine, asked for anew before they expire.

    Args:
        issuer: who gives them out.
        scope: ``space``, ``space/kind`` or ``space/kind/name``.
        operation: what they are for.
        version: the version hash that they may upload to.
        duration: seconds, 900 to 43,200.
        adding: what they will add; told once, when they are asked for first.

    Example:
        >>> keys = storage.credentials("vision/datasets/cats")  # doctest: +SKIP
        >>> s3 = keys.boto3_session().client("s3")  # doctest: +SKIP
    """

    def __init__(
        self,
        issuer: Issuer,
        scope: str,
        operation: Operation = Operation.READ,
        *,
        version: str | None = None,
        duration: int = 3600,
        adding: Adding | None = None,
    ) -> None:
        self._issuer = issuer
        self._scope = scope
        self._operation = operation
        self._version = version
        self._duration = duration
        self._lock = threading.Lock()
        self._keys = self._issue(adding)
        self._begun = self.place

    def __repr__(self) -> str:
        return (
            f"Credentials({self._scope!r}, {self._operation.value!r}, "
            f"expires_at={self._keys.expires_at})"
        )

    @property
    def current(self) -> S3Credentials:
        """The keys, renewed if they end within five minutes."""
        with self._lock:
            expires_at = self._keys.expires_at
            if expires_at and expires_at - RENEW_BEFORE <= datetime.now(UTC):
                self._keys = self._issue()
            return self._keys

    @property
    def expires_at(self) -> datetime | None:
        return self._keys.expires_at

    @property
    def bucket(self) -> str:
        return self._keys.bucket

    @property
    def place(self) -> tuple[str, str]:
        """The endpoint and the bucket: a space that is moved has others."""
        return self._keys.endpoint, self._keys.bucket

    @property
    def prefixes(self) -> list[str]:
        """What the keys reach."""
        return self._keys.prefixes

    def obstore(self) -> S3Store:
        """An obstore store of the bucket; it renews."""
        return S3Store(
            self.bucket,
            endpoint=self._keys.endpoint,
            region=self._keys.region,
            virtual_hosted_style_request=False,
            client_options=self._keys.client_options,
            credential_provider=self._for_obstore,
        )

    def boto3_session(self) -> boto3.Session:
        """A boto3 session whose S3 clients speak to the engine; it renews."""
        try:
            from klarity_storage.client.boto3_session import engine_session  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise _missing("boto3", error) from error
        return engine_session(self)

    def minio(self) -> Minio:
        """A MinIO client of the engine; it renews."""
        try:
            from klarity_storage.client.minio_client import engine_client  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise _missing("minio", error) from error
        return engine_client(self)

    def storage_options(self) -> dict[str, str]:
        """What deltalake and Polars take as ``storage_options``; strings, which do not renew."""
        return storage_options(self.current)

    def as_env(self) -> dict[str, str]:
        """What the AWS command line and SDKs take from the environment; it does not renew."""
        keys = self.current
        env = {
            "AWS_ACCESS_KEY_ID": keys.access_key_id,
            "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
            "AWS_ENDPOINT_URL": keys.endpoint,
            "AWS_REGION": keys.region,
            "AWS_DEFAULT_REGION": keys.region,
        }
        if keys.session_token:
            env["AWS_SESSION_TOKEN"] = keys.session_token
        return env

    def _issue(self, adding: Adding | None = None) -> S3Credentials:
        return self._issuer.issue(
            self._scope, self._operation, self._version, self._duration, adding
        )

    def _for_obstore(self) -> Any:
        keys = self.current
        if self.place != self._begun:
            raise ConflictError(
                f"{self._scope} was moved to another bucket.", hint="Open it again."
            )
        # obstore asks again within five minutes of the end, so it is told the end as it is
        return {
            "access_key_id": keys.access_key_id,
            "secret_access_key": keys.secret_access_key,
            "token": keys.session_token,
            "expires_at": keys.expires_at,
        }


def host_of(endpoint: str) -> tuple[str, bool]:
    """An endpoint's host and port, and whether it speaks TLS."""
    parts = urlsplit(endpoint)
    return parts.netloc, parts.scheme == "https"


def _missing(package: str, error: ModuleNotFoundError) -> ConfigurationError:
    if error.name and error.name.partition(".")[0] not in (package, "botocore"):
        raise error
    return ConfigurationError(
        f"The package {package} is not installed.",
        hint=f"pip install 'klarity-storage[{package}]'",
    )
