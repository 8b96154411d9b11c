"""HTTPS, with an authority of one's own: clients, S3, and what a browser would speak."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pyarrow as pa
import pytest

from certificate_fixture import Authority
from nginx_fixture import Site, checked, ks_command, running_nginx
from waiting import until

pytestmark = pytest.mark.real

Secure = tuple[Site, Authority, subprocess.Popen[bytes]]


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    folder = tmp_path_factory.mktemp("secure")
    authority = Authority(folder)
    pair = authority.sign("proxy", end=timedelta(days=300))
    site = Site(folder, f'certificate = "{pair.certificate}"\nkey = "{pair.key}"\n', "https")
    site.configure()
    assert checked(site.config).returncode == 0
    with pytest.MonkeyPatch.context() as patch, running_nginx(site.config, site.ports[2]) as nginx:
        patch.setenv("SSL_CERT_FILE", str(authority.file))
        try:
            site.start()
            with site.admin() as storage:
                storage.create_space("vision")
            yield site, authority, nginx
        finally:
            site.stop()


def test_push_and_pull(secure: Secure, tmp_path: Path) -> None:
    site, _, _ = secure
    tree = {f"{number:03}.txt": b"%d" % number for number in range(100)}
    tree["large.bin"] = bytes(range(256)) * 80_000
    (tmp_path / "tree").mkdir()
    for path, data in tree.items():
        (tmp_path / "tree" / path).write_bytes(data)
    where = {"KS_URL": site.address, "KS_TOKEN": site.token}
    done = ks_command("push", "vision/models/net", str(tmp_path / "tree"), **where)
    assert done.returncode == 0, done.stderr
    done = ks_command("pull", "vision/models/net", str(tmp_path / "out"), **where)
    assert done.returncode == 0, done.stderr
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == tree


def test_tables(secure: Secure) -> None:
    site, _, _ = secure
    with site.admin() as storage:
        storage.push_data_frame("vision/tables/runs", pa.table({"id": range(1000)}))
        (row,) = storage.sql("select count(*) as n from vision.runs").to_pylist()
        assert row == {"n": 1000}
        reader = storage.get_data_frame(storage.get_data_table("vision", "runs"), "id < 10")
        assert len(reader.to_pylist()) == 10


def test_boto3(secure: Secure) -> None:
    site, authority, _ = secure
    with site.admin() as storage:
        given = storage.credentials("vision/tables/runs", write=True)
    s3 = given.boto3_session().client("s3", verify=str(authority.file))
    assert s3.meta.endpoint_url == site.s3
    s3.put_object(Bucket="klarity", Key="vision/tables/runs/x", Body=b"by HTTPS")
    found = s3.get_object(Bucket="klarity", Key="vision/tables/runs/x")
    assert found["Body"].read() == b"by HTTPS"


def test_doctor_finds_nothing_wrong(secure: Secure) -> None:
    site, _, _ = secure
    done = ks_command("doctor", KS_URL=site.address, KS_TOKEN=site.token)
    assert done.returncode == 0, done.stdout


def spoken(secure: Secure, context: ssl.SSLContext) -> tuple[str | None, str | None]:
    """The version of TLS, and the protocol that is spoken within."""
    site = secure[0]
    with (
        socket.create_connection(("127.0.0.1", site.ports[2])) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as wrapped,
    ):
        return wrapped.version(), wrapped.selected_alpn_protocol()


def test_what_is_spoken(secure: Secure) -> None:
    context = ssl.create_default_context(cafile=secure[1].file)
    context.set_alpn_protocols(["h2", "http/1.1"])
    assert spoken(secure, context) == ("TLSv1.3", "h2")
    context.set_alpn_protocols(["http/1.1"])
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert spoken(secure, context) == ("TLSv1.2", "http/1.1")
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(secure[1].file)
    old.set_ciphers("AES128-SHA:@SECLEVEL=0")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        spoken(secure, old)


def test_http_on_its_port_is_told_so(secure: Secure) -> None:
    site = secure[0]
    heard = httpx.get(site.address.replace("https", "http"), trust_env=False)
    assert heard.status_code == 400
    assert heard.json()["code"] == "invalid_input"


def test_the_certificate_is_renewed_by_a_reload(secure: Secure) -> None:
    site, authority, nginx = secure
    (folder,) = {authority.file.parent}
    authority.sign("fresh")

    def shown() -> bytes | None:
        context = ssl.create_default_context(cafile=authority.file)
        with (
            socket.create_connection(("127.0.0.1", site.ports[2])) as raw,
            context.wrap_socket(raw, server_hostname="127.0.0.1") as wrapped,
        ):
            return wrapped.getpeercert(binary_form=True)

    before = shown()
    for name in ("pem", "key"):
        (folder / f"fresh.{name}").replace(folder / f"proxy.{name}")
    nginx.send_signal(signal.SIGHUP)
    until(lambda: shown() != before)
