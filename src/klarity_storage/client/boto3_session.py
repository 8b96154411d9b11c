"""A boto3 session whose keys renew and whose S3 clients speak to the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from botocore.credentials import CredentialProvider, CredentialResolver, RefreshableCredentials
from botocore.session import get_session

if TYPE_CHECKING:
    from klarity_storage.client.credentials import Credentials

# Seconds before the end of keys: botocore's own 15 and 10 minutes would renew the shortest keys
# (15 minutes) on every call.
_ADVISORY = 240
_MANDATORY = 60


def engine_session(credentials: Credentials) -> boto3.Session:
    """A session over these credentials."""
    session = get_session()
    session.register_component("credential_provider", CredentialResolver([_Provider(credentials)]))
    return _EngineSession(
        botocore_session=session, region_name=credentials.current.region, engine=credentials
    )


class _EngineSession(boto3.Session):
    """boto3 takes the endpoint with each client, not with the session: so it is filled in."""

    def __init__(self, *, engine: Credentials, **options: Any) -> None:
        super().__init__(**options)
        self._engine = engine

    def client(self, service_name: Any, *args: Any, **options: Any) -> Any:
        return super().client(service_name, *args, **self._with_endpoint(service_name, options))

    def resource(self, service_name: Any, *args: Any, **options: Any) -> Any:
        return super().resource(service_name, *args, **self._with_endpoint(service_name, options))

    def _with_endpoint(self, service_name: str, options: dict[str, Any]) -> dict[str, Any]:
        if service_name == "s3":
            options.setdefault("endpoint_url", self._engine.current.endpoint)
        return options


class _Provider(CredentialProvider):
    METHOD = "klarity-storage"
    CANONICAL_NAME = "KlarityStorage"

    def __init__(self, credentials: Credentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> RefreshableCredentials:
        return RefreshableCredentials.create_from_metadata(
            metadata=self._metadata(),
            refresh_using=self._metadata,
            method=self.METHOD,
            advisory_timeout=_ADVISORY,
            mandatory_timeout=_MANDATORY,
        )

    def _metadata(self) -> dict[str, Any]:
        keys = self._credentials.current
        return {
            "access_key": keys.access_key_id,
            "secret_key": keys.secret_access_key,
            "token": keys.session_token,
            "expiry_time": keys.expires_at.isoformat() if keys.expires_at else None,
        }
