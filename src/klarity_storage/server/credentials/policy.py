"""The S3 session policy that says what temporary credentials may do: pure functions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from klarity_storage.errors import InternalError

_READ: Final = ["s3:GetObject"]
_DELETE: Final = ["s3:DeleteObject"]
_WRITE: Final = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]

# Names hold nothing else, and a glob character has no escape that all engines honour: so none
# gets in.
_PREFIX: Final = re.compile(r"(?:[a-z0-9_][a-z0-9._-]*/)+")
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]*")


def compile_policy(
    bucket: str,
    *,
    read: Sequence[str],
    write: Sequence[str] = (),
    delete: Sequence[str] = (),
    keep: Sequence[str] = (),
) -> dict[str, Any]:
    """Allow reading and listing below ``read``, uploading below ``write``, and nothing else.

    Deleting is allowed below ``delete`` alone, and not below ``keep``. There is no statement
    without a prefix, and a list is allowed only with a prefix at or below one of ``read``.

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
    wanted = [(_READ, "Allow", read), (_WRITE, "Allow", write), (_DELETE, "Allow", delete)]
    wanted.append((_DELETE, "Deny", keep))
    statements: list[dict[str, Any]] = []
    for actions, effect, prefixes in wanted:
        objects = [f"{arn}/{_checked(prefix, _PREFIX)}*" for prefix in prefixes]
        same = [s for s in statements if (s["Effect"], s["Resource"]) == (effect, objects)]
        if same:  # in one statement, or the longest names would pass AWS's 2,048 characters
            same[0]["Action"] = same[0]["Action"] + actions
        elif objects:
            statements.append({"Effect": effect, "Action": actions, "Resource": objects})
    listing = {
        "Effect": "Allow",
        "Action": ["s3:ListBucket"],
        "Resource": [arn],
        "Condition": {"StringLike": {"s3:prefix": below}},
    }
    return {"Version": "2012-10-17", "Statement": [*statements, listing]}


def _checked(text: str, pattern: re.Pattern[str]) -> str:
    if not pattern.fullmatch(text):
        raise InternalError(f"{text!r} cannot stand in a session policy.")
    return text
