"""``ks serve`` by HTTPS, and a client that knows whom it speaks to."""

from __future__ import annotations

import json
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import klarity_storage as ks
from certificate_fixture import Authority, Pair
from conftest import PlantTree
from server_fixture import start_server
from waiting import until

pytestmark = pytest.mark.real

Secure = tuple[subprocess.Popen[bytes], str, str, Authority, Path]


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    """A server, its address and token, who signed its certificate, and its data."""
    folder = tmp_path_factory.mktemp("https")
    authority, data = Authority(folder), folder / "data"
    authority.sign("server", address=None)
    data.mkdir(mode=0o700)
    (data / "klarity.toml").write_text(
        '[tls]\ncertificate = "../server.pem"\nkey = "../server.key"\n'
    )
    process, address, token = start_server(data)
    try:
        yield process, address, token, authority, data
    finally:
        process.terminate()
        assert process.wait(30) == 0


def told(data: Path) -> str:
    return data.with_suffix(".log").read_text()


def test_its_address_is_the_certificates(secure: Secure) -> None:
    _, address, _, _, data = secure
    assert re.fullmatch(r"https://localhost:\d+", address)
    assert f"Klarity Storage at {address}" in told(data)
    assert f"ks login {address}" in told(data)
    assert json.loads((data / "server.json").read_text())["address"] == address


def test_a_client_that_knows_the_authority(
    secure: Secure, plant: PlantTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, address, token, authority, _ = secure
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with ks.connect(address, token=token) as storage:
        storage.create_space("vision")
        storage.push("vision/datasets/cats", plant({"a.txt": b"meow"}))
        storage.get_version("vision/datasets/cats").download(tmp_path / "out")
    assert (tmp_path / "out" / "a.txt").read_bytes() == b"meow"


def test_a_client_that_does_not(secure: Secure) -> None:
    _, address, token, _, _ = secure
    with pytest.raises(ks.ConfigurationError, match="cannot be trusted") as caught:
        ks.connect(address, token=token)
    assert caught.value.hint
    assert "export SSL_CERT_FILE=" in caught.value.hint
    assert token not in str(caught.value)


def test_a_certificate_of_another_host(secure: Secure, monkeypatch: pytest.MonkeyPatch) -> None:
    _, address, token, authority, _ = secure
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    other = address.replace("localhost", "127.0.0.1")
    with pytest.raises(ks.ConfigurationError, match="not valid for") as caught:
        ks.connect(other, token=token)
    assert caught.value.hint == "Use the address that the certificate is for."


def test_http_where_https_was_asked_for() -> None:
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            port = re.search(rb"port (\d+)", process.stdout.readline())
            assert port is not None
            with pytest.raises(ks.UnavailableError, match="by HTTPS") as caught:
                ks.connect(f"https://127.0.0.1:{int(port[1])}", token="ks_x")
            assert caught.value.hint == "Does it take http:// instead?"
        finally:
            process.kill()


def shown(address: str, authority: Authority) -> bytes | None:
    """The certificate that the server shows."""
    host, port = address.removeprefix("https://").split(":")
    context = ssl.create_default_context(cafile=authority.file)
    with socket.create_connection(("127.0.0.1", int(port))) as raw:
        try:
            with context.wrap_socket(raw, server_hostname=host) as wrapped:
                return wrapped.getpeercert(binary_form=True)
        except ConnectionError:
            return None


def until_told(data: Path, text: str, times: int) -> None:
    until(lambda: told(data).count(text) >= times)


def test_it_is_renewed_when_asked_and_only_by_a_good_one(secure: Secure) -> None:
    process, address, _, authority, data = secure
    pair = Pair(data.parent / "server.pem", data.parent / "server.key")
    before = pair.der
    assert shown(address, authority) == before
    late = authority.sign("late", begin=timedelta(hours=-2), end=timedelta(hours=-1))
    pair.replace(late)
    process.send_signal(signal.SIGHUP)
    until_told(data, "is not renewed", 1)
    assert shown(address, authority) == before
    fresh = authority.sign("fresh")
    pair.replace(fresh)
    process.send_signal(signal.SIGHUP)
    until_told(data, "is renewed", 1)
    until(lambda: shown(address, authority) == fresh.der)
    assert process.poll() is None


@pytest.mark.parametrize("what", ["mode", "missing"])
def test_what_is_wrong_is_said_before_anything_is_started(tmp_path: Path, what: str) -> None:
    pair = Authority(tmp_path).sign("server")
    if what == "mode":
        pair.key.chmod(0o644)
    else:
        pair.key.unlink()
    config = tmp_path / "klarity.toml"
    config.write_text(f'[tls]\ncertificate = "{pair.certificate}"\nkey = "{pair.key}"\n')
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ks")),
            *("serve", "--data", str(tmp_path / "data"), "--port", "0", "--config", str(config)),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert ("may be read by others" if what == "mode" else "cannot be read") in done.stderr
    assert not (tmp_path / "data").exists()
