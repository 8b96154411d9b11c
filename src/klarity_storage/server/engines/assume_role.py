"""One AssumeRole, without what a client of every AWS service does around it."""

from __future__ import annotations

import json
import socket
from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.httpsession import get_cert_path
from botocore.session import Session

from klarity_storage.connections import Connections

_ACTION: Final = "Action=AssumeRole&Version=2011-06-15"
_TYPE: Final = "application/x-www-form-urlencoded; charset=utf-8"


class RoleKeys(NamedTuple):
    """What STS gives."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expires_at: datetime


class AssumeRole:
    """Temporary keys of a role; may be called from any thread.

    Every `get_credentials` of a client waits for this call, and boto3's own takes longer to make it
    than an engine to answer it. The signature is botocore's; its session, which takes as long again
    as the pool below it, is left out.

    Args:
        endpoint: where STS answers.
        region: what the signature is made for.
        keys: the server's own.
        pool: connections that are kept open.
    """

    def __init__(self, endpoint: str, region: str, keys: Credentials, *, pool: int) -> None:
        self._endpoint = endpoint.rstrip("/") + "/"
        self._region = region
        self._keys = keys
        verify = Session().get_config_variable("ca_bundle") or True
        self._connections = Connections(
            self._endpoint,
            maxsize=pool,
            timeout=urllib3.Timeout(connect=2, read=10),
            ca_certs=get_cert_path(verify),
            # head and body are two writes: with delayed ACKs, Nagle would let them take 40 ms
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )

    def __call__(self, role: str, policy: dict[str, Any], session: str, duration: int) -> RoleKeys:
        """Ask for keys, once more where the connection breaks or the engine fails.

        Raises:
            ClientError: STS refuses.
            BotoCoreError: it does not answer.
        """
        form = {
            "RoleArn": role,
            "RoleSessionName": session,
            "Policy": json.dumps(policy, separators=(",", ":")),
            "DurationSeconds": str(duration),
        }
        status, content = self._answer(f"{_ACTION}&{urlencode(form)}".encode())
        found = _credentials(content) if status == 200 else None
        if found is None:
            raise _refusal(status, content)
        return found

    def _answer(self, body: bytes) -> tuple[int, bytes]:
        try:
            status, content = self._send(body)
        except BotoCoreError:
            return self._send(body)
        return self._send(body) if status >= 500 else (status, content)

    def _send(self, body: bytes) -> tuple[int, bytes]:
        request = AWSRequest("POST", self._endpoint, {"Content-Type": _TYPE}, body)
        SigV4Auth(self._keys, "sts", self._region).add_auth(request)
        try:
            answer = self._connections.send("POST", "/", body, dict(request.headers))
        except urllib3.exceptions.HTTPError as error:
            raise HTTPClientError(error=error) from error
        return answer.status, answer.data


def _credentials(content: bytes) -> RoleKeys | None:
    text = _texts(content, "Credentials")
    try:
        return RoleKeys(
            text["AccessKeyId"],
            text["SecretAccessKey"],
            text["SessionToken"],
            datetime.fromisoformat(text["Expiration"]),
        )
    except (KeyError, ValueError):
        return None  # something else than STS answers there


def _refusal(status: int, content: bytes) -> ClientError:
    """The error that boto3 would raise."""
    error = _texts(content, "Error")
    told = {"Code": error.get("Code", "unknown"), "Message": error.get("Message", "")}
    answer: Any = {"Error": told, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "AssumeRole")


def _texts(content: bytes, element: str) -> dict[str, str]:
    """What stands in the first element of that name, whatever its namespace; empty without it."""
    try:
        root = ET.fromstring(content)  # noqa: S314 - the engine's own answer, as boto3 reads it
    except ET.ParseError:
        return {}
    bare = f"{{*}}{element}"
    found = root if root.tag.rpartition("}")[2] == element else root.find(f".//{bare}")
    return {child.tag.rpartition("}")[2]: child.text or "" for child in found or ()}
