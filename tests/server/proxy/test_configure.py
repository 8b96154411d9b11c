"""What is written is what nginx takes, and what cannot work is not written."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from certificate_fixture import Authority
from klarity_storage.errors import ConfigurationError
from klarity_storage.server.proxy.configure import configure, publishes_s3
from klarity_storage.server.proxy.warn import warnings
from klarity_storage.server.settings.read import read_settings
from klarity_storage.server.settings.sections import Settings
from nginx_fixture import checked, ks_command

DOCS = Path(__file__).parents[3] / "docs" / "proxy.md"


def settings_of(data: Path, text: str = "") -> Settings:
    data.mkdir(exist_ok=True)
    (data / "klarity.toml").write_text(text)
    return read_settings(data)


def taken(data: Path, text: str = "") -> str:
    """The configuration by these settings, which nginx takes."""
    written = configure(settings_of(data, text))
    file = data / "nginx.conf"
    file.write_text(written)
    done = checked(file)
    assert done.returncode == 0, done.stderr
    assert "{{" not in written
    return written


def test_without_settings(tmp_path: Path) -> None:
    written = taken(tmp_path / "data")
    assert "listen 127.0.0.1:8421 default_server;" in written
    assert "server 127.0.0.1:8420 " in written
    assert "ks_s3" not in written
    folder = tmp_path / "data" / "proxy"
    assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "text",
    [
        '[server]\nhost = "0.0.0.0"\n',
        '[server]\nhost = "::1"\n[proxy]\nhost = "::1"\naddress = "http://[::1]:8421"\n',
        '[engine]\nport = 8333\npublic_endpoint = "http://s3.example.org:8421"\n',
        "[proxy]\ndecision = 1\ncache = 1048576\nconnections = 1\n",
        '[files]\norigins = ["https://app.example.org", "http://[::1]:3000"]\n',
        "[limits]\nhead_seconds = 1\n",
        '[proxy]\nfolder = "a folder of its own"\n',
    ],
)
def test_nginx_takes_it(tmp_path: Path, text: str) -> None:
    taken(tmp_path / "data", text)


def test_the_page_with_a_certificate(tmp_path: Path) -> None:
    pair = Authority(tmp_path).sign("proxy", hosts=("ks.example.org", "s3.example.org"))
    (text,) = re.findall(r"^```toml\n(.*?)^```", DOCS.read_text(), re.DOTALL | re.MULTILINE)
    text = text.replace("/etc/klarity/proxy.pem", str(pair.certificate))
    text = text.replace("/etc/klarity/proxy.key", str(pair.key)).replace("0.0.0.0", "127.0.0.1")
    text = text.replace(".org", ".org:18443")
    written = taken(tmp_path / "data", text)
    assert written.count("listen 127.0.0.1:18443 ssl http2") == 2
    assert "server_name ks.example.org;" in written
    assert "server_name s3.example.org;" in written
    assert "server 127.0.0.1:8333 " in written
    assert warnings(settings_of(tmp_path / "data", text)) == []


def test_every_bucket_of_the_embedded_engine_is_published_and_no_other(tmp_path: Path) -> None:
    text = (
        '[engine]\nport = 8333\npublic_endpoint = "http://127.0.0.1:8334"\n'
        '[buckets.site]\nstrategy = "web"\n'
        '[buckets.trials]\nstrategy = "scratch"\ndays = 1\nbucket = "try.outs"\n'
    )
    assert r"(?:klarity|site|try\.outs)/" in taken(tmp_path / "data", text)


def test_an_s3_that_stands_already_is_its_own_affair(tmp_path: Path) -> None:
    text = (
        '[engine]\nkind = "s3"\nendpoint = "https://s3.example.org"\nrole_arn = "r"\n'
        'public_endpoint = "https://s3.example.org"\n'
    )
    data = tmp_path / "data"
    data.mkdir()
    (data / "klarity.toml").write_text(text)
    keys = {"KS_S3_ACCESS_KEY_ID": "k", "KS_S3_SECRET_ACCESS_KEY": "s"}
    settings = read_settings(data, environment=keys)
    assert not publishes_s3(settings)
    assert "ks_s3" not in configure(settings)
    assert len(warnings(settings)) == 1


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[server]\nport = 0\n", "server.port"),
        ('[engine]\npublic_endpoint = "http://s3.example.org"\n', "engine.port"),
        ('[engine]\nport = 1\npublic_endpoint = "http://127.0.0.1:8421"\n', "one place"),
        ('[engine]\nport = 1\npublic_endpoint = "https://s3.example.org"\n', "certificate"),
        ('[engine]\nport = 1\npublic_endpoint = "http://s3.example.org/s3"\n', "public_endpoint"),
        ('[proxy]\naddress = "https://ks.example.org"\n', "certificate"),
        ('[proxy]\naddress = "http://ks.example.org/storage"\n', "proxy.address"),
        ('[proxy]\naddress = "ftp://ks.example.org"\n', "proxy.address"),
        ('[proxy]\naddress = "http://ks.example.org;"\n', "proxy.address"),
        ('[proxy]\naddress = "http://a b"\n', "proxy.address"),
        ('[proxy]\nhost = "ks.example.org; evil"\n', "proxy.host"),
        ('[proxy]\nfolder = "a$b"\n', "proxy.folder"),
        ("[proxy]\nfolder = 'a\"; b'\n", "proxy.folder"),
        ('[server]\nhost = "a;b"\n', "server.host"),
        ('[tls]\ncertificate = "a.pem"\nkey = "a.key"\n', "proxy.certificate"),
        ("[proxy]\ndecision = 61\n", "decision"),
    ],
)
def test_what_cannot_work(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        configure(settings_of(tmp_path / "data", text))
    assert named in str(caught.value) + str(caught.value.hint)


@pytest.mark.parametrize("what", ["mode", "missing", "other"])
def test_a_pair_that_is_none(tmp_path: Path, what: str) -> None:
    authority = Authority(tmp_path)
    pair, other = authority.sign("proxy"), authority.sign("other")
    if what == "mode":
        pair.key.chmod(0o644)
    if what == "missing":
        pair.key.unlink()
    key = other.key if what == "other" else pair.key
    text = f'[proxy]\naddress = "https://a"\ncertificate = "{pair.certificate}"\nkey = "{key}"\n'
    with pytest.raises(ConfigurationError):
        configure(settings_of(tmp_path / "data", text))


def test_the_command(tmp_path: Path) -> None:
    data = tmp_path / "data"
    missing = ks_command("proxy", "config", "--data", str(data))
    assert missing.returncode == 2
    assert f"ks serve --data {data}" in missing.stderr
    settings_of(data)
    done = ks_command("proxy", "config", "--data", str(data))
    assert done.returncode == 0
    assert done.stdout.startswith("# Written by `ks proxy config`")
    assert "trusted_proxies" in done.stderr
    assert "S3 is not published" in done.stderr
    told = json.loads(ks_command("proxy", "config", "--data", str(data), "--json").stdout)
    assert told["config"] == done.stdout
    assert told["address"] == "http://127.0.0.1:8421"
    assert told["s3"] is False
