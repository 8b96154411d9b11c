"""Nobody but the engine gets through its inner doors, not even another user of the machine."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import httpx
import msgspec
import pytest
from botocore.exceptions import ClientError

from klarity_storage.protocol.credentials import MIN_DURATION
from klarity_storage.server.credentials.policy import compile_policy
from klarity_storage.server.engines.ports import HOST, Ports
from klarity_storage.server.engines.seaweed import SeaweedEngine
from klarity_storage.server.engines.sts import status_of
from klarity_storage.server.engines.weed import ROLE_ARN, grpc_sockets

pytestmark = pytest.mark.real

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
"""What every HTTP/2 client says first, with empty settings."""


@pytest.fixture(scope="module")
def ports(engine: SeaweedEngine) -> Ports:
    return msgspec.json.decode((engine.folder / "ports.json").read_bytes(), type=Ports)


@pytest.fixture(scope="module")
def secret_object(engine: SeaweedEngine) -> str:
    """Stored in a volume and known to the filer, both of which answer over HTTP."""
    engine.store.put("doors/secret", b"what nobody may read" * 1000)
    return f"/buckets/{engine.credentials.bucket}/doors/secret"


def speaks_http2(connection: socket.socket) -> bool:
    """Whether the other side answers the preface with a SETTINGS frame."""
    connection.settimeout(5)
    try:
        connection.sendall(PREFACE)
        answer = connection.recv(9)
    except (ConnectionError, ssl.SSLError):
        return False
    return len(answer) == 9 and answer[3] == 4


def tls(folder: Path, *, certificate: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=folder / "config" / "ca.crt")
    context.set_alpn_protocols(["h2"])
    if certificate:
        config = folder / "config"
        context.load_cert_chain(config / "engine.crt", config / "engine.key")
    return context


@pytest.mark.parametrize("part", ["master", "volume", "filer", "s3", "admin"])
def test_grpc_opens_to_the_engines_own_certificate_alone(
    engine: SeaweedEngine, ports: Ports, part: str
) -> None:
    port = getattr(ports, f"{part}_grpc")
    with socket.create_connection((HOST, port)) as plain:
        assert not speaks_http2(plain)
    for certificate in (False, True):
        context = tls(engine.folder, certificate=certificate)
        with socket.create_connection((HOST, port)) as raw:
            try:
                wrapped = context.wrap_socket(raw, server_hostname=HOST)
            except (ssl.SSLError, ConnectionError):
                assert not certificate
                continue
            with wrapped:
                assert speaks_http2(wrapped) == certificate


def test_unix_sockets_are_the_owners_alone_and_closed_all_the_same(
    engine: SeaweedEngine, ports: Ports
) -> None:
    found = [path for path in grpc_sockets(ports) if path.exists()]
    assert len(found) == 5
    for path in (*found, engine.folder / "s3.sock", engine.folder / "filer.sock"):
        assert path.stat().st_mode & 0o077 == 0
    for path in found:
        with socket.socket(socket.AF_UNIX) as plain:
            plain.connect(str(path))
            assert not speaks_http2(plain)


@pytest.mark.parametrize("part", ["master", "volume", "filer", "admin", "s3"])
@pytest.mark.parametrize("verb", ["GET", "PUT", "POST", "DELETE"])
def test_unsigned_http_gets_nothing(ports: Ports, secret_object: str, part: str, verb: str) -> None:
    paths = [
        secret_object,
        "/buckets/",
        "/doors/secret",
        "/1,01637037d6",
        "/dir/assign",
        "/dir/lookup?volumeId=1",
        "/col/delete?collection=klarity",
        "/vol/grow?count=1",
        "/submit",
        "/klarity/doors/secret",
        "/klarity?delete",
        "/debug/pprof/",
    ]
    with httpx.Client(base_url=f"http://{HOST}:{getattr(ports, part)}") as http:
        for path in paths:
            answer = http.request(verb, path, content=b"x" if verb in {"PUT", "POST"} else None)
            assert answer.status_code in {400, 401, 403, 404, 405}, (path, answer.status_code)
            assert b"what nobody may read" not in answer.content


@pytest.mark.parametrize("part", ["master", "volume", "filer", "admin", "s3"])
@pytest.mark.parametrize("path", ["/", "/healthz", "/status", "/metrics", "/ui/index.html"])
def test_what_is_answered_to_anybody_tells_nothing(
    engine: SeaweedEngine, ports: Ports, secret_object: str, part: str, path: str
) -> None:
    answer = httpx.get(f"http://{HOST}:{getattr(ports, part)}{path}")
    assert secret_object.encode() not in answer.content
    assert b"doors" not in answer.content
    keys = msgspec.json.decode((engine.folder / "keys.json").read_bytes(), type=dict[str, str])
    assert not [name for name, key in keys.items() if key.encode() in answer.content]


@pytest.mark.parametrize(("part", "path"), [("filer", "/"), ("volume", "/"), ("s3", "/klarity")])
def test_a_token_signed_with_another_key_gets_nothing(ports: Ports, part: str, path: str) -> None:
    forged = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.XmNK3GpH3Ys_7wsYBfq4C3M6goz71I7dTgUkuIa5lyQ"
    answer = httpx.get(
        f"http://{HOST}:{getattr(ports, part)}{path}", headers={"Authorization": f"Bearer {forged}"}
    )
    assert answer.status_code in {400, 401, 403, 404}


def test_every_port_is_loopback_only(ports: Ports) -> None:
    sockets = Path("/proc/net/tcp").read_text().splitlines()[1:]
    listening = {
        int(fields[1].split(":")[1], 16): fields[1].split(":")[0]
        for fields in (line.split() for line in sockets)
        if fields[3] == "0A"
    }
    assert {listening[port] for port in ports.every()} == {"0100007F"}
    other = Path("/proc/net/tcp6").read_text().splitlines()[1:]
    assert not {int(line.split()[1].split(":")[1], 16) for line in other} & set(ports.every())


def test_no_secret_stands_in_the_process_list_or_is_readable_by_others(
    engine: SeaweedEngine,
) -> None:
    keys = msgspec.json.decode((engine.folder / "keys.json").read_bytes(), type=dict[str, str])
    listed = Path(f"/proc/{engine.pid}/cmdline").read_text()
    log = (engine.folder.parent / "logs" / "engine.log").read_text()
    for name, secret in keys.items():
        assert secret not in listed, name
        assert name == "access_key_id" or secret not in log, name
    for path in (engine.folder, *engine.folder.rglob("*.json"), *engine.folder.rglob("*.key")):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("operation", ["AssumeRole", "GetFederationToken", "GetSessionToken"])
def test_temporary_keys_make_no_others(engine: SeaweedEngine, operation: str) -> None:
    """Not even narrower ones: those without a policy of their own would open everything."""
    policy = compile_policy("klarity", read=["doors/"])
    given = engine.access.held_by(engine.assume(policy, "somebody", MIN_DURATION))
    sts = given._client("sts", given.credentials.endpoint)
    calls = {
        "AssumeRole": lambda: sts.assume_role(RoleArn=ROLE_ARN, RoleSessionName="somebody"),
        "GetFederationToken": lambda: sts.get_federation_token(Name="somebody"),
        "GetSessionToken": sts.get_session_token,
    }
    with pytest.raises(ClientError) as caught:
        calls[operation]()
    assert 400 <= status_of(caught.value) < 500
