"""The S3 session policy that says what temporary credentials may do: pure functions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from klarity_storage.errors import InternalError

_READ: Final = ["s3:GetObject"]
_WRITE: Final = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]

# Names hold nothing else, and a glob character has no escape that all engines honour: so none
# gets in.
_PREFIX: Final = re.compile(r"(?:[a-z0-9_][a-z0-9._-]*/)+")
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]*")


def compile_policy(
    bucket: str, *, read: Sequence[str], write: Sequence[str] = ()
) -> dict[str, Any]:
    """Allow reading and listing below ``read``, uploading below ``write``, and nothing else.

    There is no statement that deletes, none without a prefix, and a list is allowed only with a
    prefix at or below one of ``read``.

    Raises:
        InternalError: a prefix that would allow more than it says, or none at all.

    >>> policy = compile_policy("klarity", read=["vision/datasets/cats/"])
    >>> policy["Statement"][0]["Resource"]
    ['arn:aws:s3:::klarity/vision/datasets/cats/*']
    """
    if not read:
        raise InternalError("A session policy without a prefix would allow everything.")
    arn = f"arn:aws:s3:::{_checked(bucket, _BUCKET)}"
    below = [f"{_checked(prefix, _PREFIX)}*" for prefix in read]
    objects = [f"{arn}/{glob}" for glob in below]
    upload = [f"{arn}/{_checked(prefix, _PREFIX)}*" for prefix in write]
    listing = {
        **_allow(["s3:ListBucket"], [arn]),
        "Condition": {"StringLike": {"s3:prefix": below}},
    }
    if (
        upload == objects
    ):  # in one statement, or the longest names would pass AWS's 2,048 characters
        statements = [_allow(_READ + _WRITE, objects), listing]
    else:
        statements = [_allow(_READ, objects), listing]
        statements += [_allow(_WRITE, upload)] if upload else []
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources}


def _checked(text: str, pattern: re.Pattern[str]) -> str:
    if not pattern.fullmatch(text):
        raise InternalError(f"{text!r} cannot stand in a session policy.")
    return text
