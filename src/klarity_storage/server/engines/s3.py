"""An S3 that stands already: AWS, a SeaweedFS cluster, MinIO, Ceph."""

from __future__ import annotations

from typing import Self

from klarity_storage.protocol.credentials import S3Credentials
from klarity_storage.server.engines.probe import probe
from klarity_storage.server.engines.sts import Access
from klarity_storage.server.settings.sections import EngineSettings


class S3Engine(Access):
    """A bucket of an S3 with STS and atomic conditional PUT, tried before it is used."""

    stable_etags = True
    restarts = 0

    @classmethod
    def connect(cls, settings: EngineSettings, bucket: str) -> Self:
        """Open the bucket and try that the engine has what Klarity Storage stands on.

        Raises:
            ConfigurationError: the keys or the bucket are wrong, or the engine lacks something.
            UnavailableError: the engine does not answer.
        """
        credentials = S3Credentials(
            endpoint=(settings.endpoint or "").rstrip("/"),
            region=settings.region,
            bucket=bucket,
            access_key_id=settings.access_key_id or "",
            secret_access_key=settings.secret_access_key or "",
        )
        engine = cls(
            credentials,
            role_arn=settings.role_arn or "",
            sts_endpoint=settings.sts_endpoint,
            public_endpoint=settings.public_endpoint,
        )
        probe(engine)
        return engine
