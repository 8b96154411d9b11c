"""What STS answers, and what becomes of it: against a listener that says it."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError

from klarity_storage.server.engines.assume_role import AssumeRole

KEYS = Credentials("AKIDEXAMPLE", "secret-that-stays", "own-session")
GOOD = (
    '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>'
    "<Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
    "<SessionToken>t</SessionToken><Expiration>2030-01-01T00:00:00Z</Expiration></Credentials>"
    "</AssumeRoleResult></AssumeRoleResponse>"
)
REFUSED = (
    '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
    "<Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
)


@dataclass
class Sts:
    """Answers in turn; the last one again and again."""

    answers: list[tuple[int, str]]
    asked: list[tuple[dict[str, str], dict[str, list[str]]]] = field(default_factory=list)
    address: str = ""

    def __call__(self) -> object:
        ask = AssumeRole(self.address, "us-east-1", KEYS, pool=2)
        return ask("arn:aws:iam::0:role/klarity", {"Statement": [{"a": "b&c=d"}]}, "bob", 900)


@pytest.fixture
def sts() -> Iterator[Sts]:
    told = Sts([])

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            told.asked.append((dict(self.headers), parse_qs(body)))
            status, text = told.answers.pop(0) if len(told.answers) > 1 else told.answers[0]
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever).start()
        yield told
        server.shutdown()


def test_the_keys_are_read_and_the_request_is_signed(sts: Sts) -> None:
    sts.answers = [(200, GOOD)]
    assert sts() == ("ASIA1", "s", "t", datetime(2030, 1, 1, tzinfo=UTC))
    [(headers, body)] = sts.asked
    assert body == {
        "Action": ["AssumeRole"],
        "Version": ["2011-06-15"],
        "RoleArn": ["arn:aws:iam::0:role/klarity"],
        "RoleSessionName": ["bob"],
        "Policy": ['{"Statement":[{"a":"b&c=d"}]}'],
        "DurationSeconds": ["900"],
    }
    assert "Credential=AKIDEXAMPLE/" in headers["Authorization"]
    assert "/us-east-1/sts/aws4_request" in headers["Authorization"]
    assert headers["X-Amz-Security-Token"] == "own-session"
    assert KEYS.secret_key not in repr(sts.asked)


@pytest.mark.parametrize(
    ("status", "text", "code"),
    [
        (403, REFUSED, "AccessDenied"),
        (404, "<Error><Code>NoSuchKey</Code></Error>", "NoSuchKey"),
        (400, "<html>no", "unknown"),
        (200, "<html></html>", "unknown"),
        (200, "", "unknown"),
        (200, GOOD.replace("2030-01-01T00:00:00Z", "soon"), "unknown"),
        (200, GOOD.replace("SessionToken", "Other"), "unknown"),
    ],
)
def test_what_is_no_answer_is_a_refusal(sts: Sts, status: int, text: str, code: str) -> None:
    sts.answers = [(status, text)]
    with pytest.raises(ClientError) as refusal:
        sts()
    assert refusal.value.response["Error"]["Code"] == code
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert len(sts.asked) == 1


def test_an_engine_that_fails_is_asked_once_more(sts: Sts) -> None:
    sts.answers = [(503, ""), (200, GOOD)]
    sts()
    assert len(sts.asked) == 2
    sts.answers = [(503, "")]
    with pytest.raises(ClientError) as refusal:
        sts()
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert len(sts.asked) == 4


def test_an_engine_that_is_not_there_is_told() -> None:
    with pytest.raises(BotoCoreError):
        Sts([], address="http://127.0.0.1:1")()
