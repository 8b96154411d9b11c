"""[web]: which host shows which deployment."""

from __future__ import annotations

from pathlib import Path

import pytest

from klarity_storage.errors import ConfigurationError
from klarity_storage.server.settings.read import read_settings


def read(folder: Path, text: str) -> dict[str, str]:
    (folder / "klarity.toml").write_text(text)
    return read_settings(folder).web.hosts


def test_hosts_name_deployments(tmp_path: Path) -> None:
    hosts = '[web.hosts]\n"kd.example.org" = "site/prod"\nlocalhost = "site/test"\n'
    assert read(tmp_path, hosts) == {"kd.example.org": "site/prod", "localhost": "site/test"}
    assert read(tmp_path, "[web]\npaths = false\n") == {}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('"KD.example.org" = "site/prod"', "not the name of a host"),
        ('"kd.example.org:8420" = "site/prod"', "not the name of a host"),
        ('"https://kd.example.org" = "site/prod"', "not the name of a host"),
        ('"*.example.org" = "site/prod"', "not the name of a host"),
        ('"-kd.example.org" = "site/prod"', "not the name of a host"),
        ('"kd..org" = "site/prod"', "not the name of a host"),
        ('"" = "site/prod"', "not the name of a host"),
        (f'"{"a." * 130}org" = "site/prod"', "not the name of a host"),
        ('"kd.example.org" = "prod"', "cannot be a deployment"),
        ('"kd.example.org" = "site/artefacts/prod"', "cannot be a deployment"),
        ('"kd.example.org" = "../prod"', "cannot be a deployment"),
        ('"kd.example.org" = "site/PROD"', "cannot be a deployment"),
        ('"kd.example.org" = 1', "web.hosts"),
    ],
)
def test_what_can_be_no_host_or_no_deployment(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        read(tmp_path, f"[web.hosts]\n{line}\n")


def test_a_host_shows_one_deployment(tmp_path: Path) -> None:
    twice = '[web.hosts]\n"kd.example.org" = "site/prod"\n"kd.example.org" = "site/test"\n'
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read(tmp_path, twice)
