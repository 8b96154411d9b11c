"""Keys that the server gives out must make no others: with the engine's own role they could all."""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode, urlsplit

import urllib3

from klarity_storage.client.doctor.check import Check, failed, passed
from klarity_storage.connections import open_pool
from klarity_storage.protocol.credentials import MIN_DURATION, S3Credentials

EMBEDDED_ROLE: Final = "arn:aws:iam::000000000000:role/klarity"
"""Tried where the engine tells no role; engines that do not look at the name take any."""

_NAME: Final = "must not take the engine's role"
_REMEDY: Final = (
    "Tell whoever runs the server at once: the trust policy of the engine's role "
    "(engine.role_arn) has to name the server's own identity alone."
)
_TYPE: Final = "application/x-www-form-urlencoded; charset=utf-8"
_ASSUMED: Final = re.compile(r"<Arn>arn:([\w-]+):sts::(\w*):assumed-role/([^</]+)/[^<]*</Arn>")
_CODE: Final = re.compile(r"<Code>(\w+)</Code>")


def check_role(given: S3Credentials) -> Check:
    """Ask STS, where the client reaches S3, for keys of the role that its keys are made from."""
    try:
        role = _role_of(given)
        status, answer = _ask(
            given,
            Action="AssumeRole",
            RoleArn=role,
            RoleSessionName="ks-doctor",
            DurationSeconds=str(MIN_DURATION),
        )
    except urllib3.exceptions.HTTPError as error:
        return passed(_NAME, f"no STS answers at {given.endpoint} ({type(error).__name__})")
    if status == 200 and "AccessKeyId>" in answer:
        return failed(
            _NAME, f"the engine gave out keys of {role}, which no policy narrows", _REMEDY
        )
    seen = f"status {status}" + (f", {code[1]}" if (code := _CODE.search(answer)) else "")
    if status >= 500 and status != 501:
        return failed(_NAME, f"could not be tried: STS answers with {seen}", "ks doctor again.")
    if status in {400, 401, 403}:
        return passed(_NAME, f"refused: {role} ({seen})")
    return passed(_NAME, f"there is no STS at {given.endpoint} ({seen})")


def _role_of(given: S3Credentials) -> str:
    """The role that the engine itself says the keys are of."""
    status, answer = _ask(given, Action="GetCallerIdentity")
    found = _ASSUMED.search(answer) if status == 200 else None
    return "arn:{}:iam::{}:role/{}".format(*found.groups()) if found else EMBEDDED_ROLE


def _ask(given: S3Credentials, **form: str) -> tuple[int, str]:
    """The status and the text of what STS answers."""
    url = given.endpoint.rstrip("/") + "/"
    body = urlencode({**form, "Version": "2011-06-15"}).encode()
    pool = open_pool(url)
    try:
        reply = pool.request(
            "POST",
            url,
            body=body,
            headers=_signed(given, url, body),
            timeout=urllib3.Timeout(connect=5, read=20),
            retries=False,
            redirect=False,
        )
        return reply.status, reply.data.decode(errors="replace")
    finally:
        pool.clear()


def _signed(given: S3Credentials, url: str, body: bytes) -> dict[str, str]:
    """The headers of a request to STS, with AWS's signature, version 4.

    obstore signs for S3 alone, and boto3 is no dependency of the client. The steps are those of
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
    """
    at = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    parts = urlsplit(url)
    headers = {"content-type": _TYPE, "host": parts.netloc, "x-amz-date": at}
    if given.session_token:
        headers["x-amz-security-token"] = given.session_token
    names = ";".join(headers)
    lines = [f"{name}:{value}" for name, value in headers.items()]
    request = "\n".join(["POST", parts.path, "", *lines, "", names, _sha256(body)])
    scope = f"{at[:8]}/{given.region}/sts/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", at, scope, _sha256(request.encode())])
    key = f"AWS4{given.secret_access_key}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={given.access_key_id}/{scope}, "
        f"SignedHeaders={names}, Signature={key.hex()}"
    )
    return headers


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
