"""Multipart uploads that nobody has completed: a bucket keeps their parts, and no listing shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from klarity_storage.errors import UnavailableError
from klarity_storage.versions.gc import Upload

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CANNOT: Final = {"AccessDenied", "MethodNotAllowed", "NotImplemented"}
"""What an engine says that does not list uploads, or not to us: the bucket's own rule is left."""


class BucketUploads:
    """The uploads of one bucket.

    Args:
        s3: with keys to the whole bucket.
        bucket: which.
    """

    def __init__(self, s3: S3Client, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def under(self, prefix: str) -> Iterator[Upload]:
        """Those of keys below a prefix; none where the engine cannot say.

        Raises:
            UnavailableError: the engine does not answer.
        """
        pages = self._s3.get_paginator("list_multipart_uploads")
        try:
            for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
                for upload in page.get("Uploads", []):
                    yield Upload(upload["Key"], upload["UploadId"], upload["Initiated"])
        except ClientError as error:
            if error.response["Error"].get("Code") not in _CANNOT:
                raise _failed("list", prefix, error) from error
        except BotoCoreError as error:
            raise _failed("list", prefix, error) from error

    def size(self, upload: Upload) -> int:
        """Bytes of its parts; 0 when it is gone."""
        pages = self._s3.get_paginator("list_parts")
        try:
            found = pages.paginate(Bucket=self._bucket, Key=upload.key, UploadId=upload.id)
            return sum(part["Size"] for page in found for part in page.get("Parts", []))
        except ClientError as error:
            if _gone(error):
                return 0
            raise _failed("measure", upload.key, error) from error
        except BotoCoreError as error:
            raise _failed("measure", upload.key, error) from error

    def abort(self, upload: Upload) -> None:
        """Delete its parts; one that is gone already is as good."""
        try:
            self._s3.abort_multipart_upload(Bucket=self._bucket, Key=upload.key, UploadId=upload.id)
        except ClientError as error:
            if not _gone(error):
                raise _failed("abort", upload.key, error) from error
        except BotoCoreError as error:
            raise _failed("abort", upload.key, error) from error


def _gone(error: ClientError) -> bool:
    return error.response["Error"].get("Code") == "NoSuchUpload"


def _failed(what: str, where: str, error: Exception) -> UnavailableError:
    return UnavailableError(
        f"Storage could not {what} the multipart uploads of {where}: {error}.", hint="Try again."
    )
