"""One way in to any S3 engine: its keys, its bucket as a store, and temporary keys from its STS."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

import boto3
import msgspec
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError
from obstore.store import S3Store

from klarity_storage.errors import ConfigurationError, StorageError, UnavailableError
from klarity_storage.protocol.credentials import S3Credentials
from klarity_storage.server.engines.assume_role import AssumeRole
from klarity_storage.server.engines.uploads import BucketUploads

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from obstore.store import S3Config

POOL: Final = 32
"""Connections that are kept open to each of S3 and STS."""


class Access:
    """The server's own keys to one bucket of an engine. Every method may be called from any thread.

    Args:
        credentials: the server's own keys.
        role_arn: the role that temporary keys are made from.
        sts_endpoint: where STS answers, when that is not where S3 does.
        public_endpoint: where others reach S3, when that is not where the server does.
    """

    stable_etags: ClassVar[bool] = True
    """S3 promises it of objects that are written once."""
    restarts: ClassVar[int] = 0
    """It is somebody else's to start."""

    def __init__(
        self,
        credentials: S3Credentials,
        *,
        role_arn: str,
        sts_endpoint: str | None = None,
        public_endpoint: str | None = None,
    ) -> None:
        self.credentials = credentials
        self._public_endpoint = public_endpoint or credentials.endpoint
        self._role_arn = role_arn
        self._sts_endpoint = sts_endpoint or credentials.endpoint

    @cached_property
    def store(self) -> S3Store:
        return open_store(self.credentials)

    @cached_property
    def s3(self) -> S3Client:
        """For what a store cannot do: look at the bucket itself."""
        client: S3Client = self._client("s3", self.credentials.endpoint)
        return client

    @cached_property
    def uploads(self) -> BucketUploads:
        return BucketUploads(self.s3, self.credentials.bucket)

    @cached_property
    def _assume_role(self) -> AssumeRole:
        own = self.credentials
        keys = Credentials(own.access_key_id, own.secret_access_key, own.session_token)
        return AssumeRole(self._sts_endpoint, own.region, keys, pool=POOL)

    def assume(self, policy: dict[str, Any], session: str, duration: int) -> S3Credentials:
        """See `Engine.assume`."""
        if not policy.get("Statement"):
            raise ValueError("An empty session policy would allow everything.")
        try:
            keys = self._assume_role(self._role_arn, policy, session, duration)
        except ClientError as error:
            raise refused(error, f"AssumeRole at {self._sts_endpoint}") from error
        except BotoCoreError as error:
            raise unreachable(self._sts_endpoint) from error
        return msgspec.structs.replace(
            self.credentials,
            endpoint=self._public_endpoint,
            access_key_id=keys.access_key_id,
            secret_access_key=keys.secret_access_key,
            session_token=keys.session_token,
            expires_at=keys.expires_at,
        )

    def check(self) -> str | None:
        """None when the bucket answers to the server's keys, or one sentence that says why not."""
        fault = self.find_fault()
        return fault.message if fault else None

    def find_fault(self) -> StorageError | None:
        """As `check`, with the error's class."""
        endpoint, bucket = self.credentials.endpoint, self.credentials.bucket
        try:
            self.s3.head_bucket(Bucket=bucket)
        except ClientError as error:
            status = status_of(error)
            if status == 404:
                return ConfigurationError(
                    f"The engine at {endpoint} has no bucket {bucket!r}.",
                    hint="Make the bucket, or set storage.bucket.",
                )
            if status in {401, 403}:
                return ConfigurationError(
                    f"The engine at {endpoint} refuses the server's keys to bucket {bucket!r}.",
                    hint="Check engine.access_key_id, engine.secret_access_key and their rights.",
                )
            return UnavailableError(f"The engine at {endpoint} answers with status {status}.")
        except BotoCoreError:
            return unreachable(endpoint)
        return None

    def beside(self, bucket: str) -> Access:
        """The way in to another bucket of the same engine, with the same keys."""
        return Access(
            msgspec.structs.replace(self.credentials, bucket=bucket),
            role_arn=self._role_arn,
            sts_endpoint=self._sts_endpoint,
            public_endpoint=self._public_endpoint,
        )

    def held_by(self, keys: S3Credentials) -> Access:
        """The same way in, where the server reaches it, with other keys."""
        return Access(
            msgspec.structs.replace(keys, endpoint=self.credentials.endpoint),
            role_arn=self._role_arn,
            sts_endpoint=self._sts_endpoint,
        )

    def make_bucket(self) -> bool:
        """Make the bucket unless it is there; False when the engine cannot do it now."""
        try:
            self.s3.create_bucket(Bucket=self.credentials.bucket)
        except ClientError as error:
            return error.response["Error"]["Code"].startswith("BucketAlready")
        except BotoCoreError:
            return False
        return True

    def _client(self, service: str, endpoint: str) -> Any:
        # A session of its own: the default one would read the machine's own AWS settings.
        session = boto3.session.Session(
            aws_access_key_id=self.credentials.access_key_id,
            aws_secret_access_key=self.credentials.secret_access_key,
            aws_session_token=self.credentials.session_token,
            region_name=self.credentials.region,
        )
        return session.client(  # type: ignore[call-overload]
            service,
            endpoint_url=endpoint,
            config=Config(
                connect_timeout=2,
                read_timeout=10,
                max_pool_connections=POOL,
                retries={"mode": "standard", "total_max_attempts": 2},
                s3={"addressing_style": "path"},
            ),
        )


def open_store(credentials: S3Credentials) -> S3Store:
    """The bucket of those credentials."""
    config: S3Config = {
        "bucket": credentials.bucket,
        "endpoint": credentials.endpoint,
        "region": credentials.region,
        "access_key_id": credentials.access_key_id,
        "secret_access_key": credentials.secret_access_key,
    }
    if credentials.session_token:
        config["session_token"] = credentials.session_token
    return S3Store(config=config, client_options=credentials.client_options)


def status_of(error: BaseException | None) -> int:
    """The HTTP status of what S3 or STS answered, or 0 when it did not."""
    if not isinstance(error, ClientError):
        return 0
    return error.response["ResponseMetadata"]["HTTPStatusCode"]


def refused(error: ClientError, what: str) -> UnavailableError:
    """What an answer of STS that is not a success means to whoever asked the server."""
    code = error.response["Error"].get("Code", "unknown")
    return UnavailableError(f"{what} failed with status {status_of(error)} ({code}).")


def unreachable(endpoint: str) -> UnavailableError:
    return UnavailableError(
        f"The engine at {endpoint} does not answer.",
        hint="Check engine.endpoint, and that the engine runs.",
    )
