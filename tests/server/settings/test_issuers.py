from __future__ import annotations

from pathlib import Path

import pytest

from klarity_storage.errors import ConfigurationError
from klarity_storage.server.settings.read import read_settings

GOOD = 'issuer = "https://login.example.org"\naudience = "storage"\n'


def read(folder: Path, text: str) -> None:
    (folder / "klarity.toml").write_text(text)
    read_settings(folder)


def test_issuers_are_named_tables(tmp_path: Path) -> None:
    other = GOOD.replace("login", "login2") + 'algorithms = ["ES256"]\nscopes = ["openid"]\n'
    (tmp_path / "klarity.toml").write_text(f"[oidc.corp]\n{GOOD}[oidc.partner]\n{other}")
    found = read_settings(tmp_path).oidc
    assert found["corp"].user_claim == "preferred_username"
    assert not any(name.startswith("HS") for name in found["corp"].algorithms)
    assert found["corp"].group_prefix_of("corp") == "corp."
    assert found["partner"].algorithms == ("ES256",)
    assert read_settings(tmp_path / "none").oidc == {}


@pytest.mark.parametrize(
    "issuer",
    [
        "http://login.example.org",
        "http://10.0.0.1",
        "http://169.254.169.254",
        "https://169.254.169.254/latest",
        "https://0.0.0.0",
        "http://localhost.example.org",
        "http://127.0.0.1.example.org",
        "http://127.0.0.1@login.example.org",
        "https://user:secret@login.example.org",
        "https://login.example.org?realm=corp",
        "https://login.example.org#corp",
        "https://login.example.org:port",
        "login.example.org",
        "file:///etc/passwd",
        "https://",
        "",
    ],
)
def test_an_issuer_that_cannot_be_trusted_is_refused(tmp_path: Path, issuer: str) -> None:
    text = GOOD.replace("https://login.example.org", issuer)
    with pytest.raises(ConfigurationError, match=r"oidc\.corp\.issuer") as caught:
        read(tmp_path, f"[oidc.corp]\n{text}")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "issuer",
    ["http://127.0.0.1:3000", "http://localhost/realm", "http://[::1]:80", "https://10.0.0.1"],
)
def test_issuers_on_this_machine_and_inside_are_taken(tmp_path: Path, issuer: str) -> None:
    read(tmp_path, f"[oidc.corp]\n{GOOD.replace('https://login.example.org', issuer)}")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f'[oidc."a.b"]\n{GOOD}', "cannot be the name of an issuer"),
        (f"[oidc.corp]\n{GOOD}[oidc.twin]\n{GOOD}", "is that of oidc.corp"),
        ('[oidc.corp]\nissuer = "https://a.example.org"\n', "audience"),
        ('[oidc.corp]\nissuer = "https://a.example.org"\naudience = ""\n', "needs an audience"),
        (f"[oidc.corp]\n{GOOD}algorithms = []\n", "and algorithms"),
        (f'[oidc.corp]\n{GOOD}algorithms = ["HS256"]\n', "oidc.corp.algorithms"),
        (f'[oidc.corp]\n{GOOD}algorithms = ["none"]\n', "oidc.corp.algorithms"),
        (f'[oidc.corp]\n{GOOD}group_prefix = ""\n', "group_prefix"),
        (f'[oidc.corp]\n{GOOD}group_prefix = "Corp:"\n', "group_prefix"),
        (f'[oidc.corp]\n{GOOD}client_secret = "x"\n', "no setting oidc.corp.client_secret"),
        ("[oidc]\nissuer = 'x'\n", "is a section, not a value"),
    ],
)
def test_what_cannot_work_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        read(tmp_path, text)
