"""``ks login`` where a server trusts an issuer: a real provider, and a person who confirms."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from cli.harness import Run
from cli.terminal import on_terminal
from oidc_fixture import Provider
from server_fixture import RunningServer

pytestmark = pytest.mark.real

KS = str(Path(sys.executable).with_name("ks"))


@pytest.fixture
def stranger(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ks where nothing says where to connect."""
    monkeypatch.delenv("KS_URL")
    return run


def logging_in(server: RunningServer, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [KS, "login", server.address, *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(os.environ),
        text=True,
    )


def code_shown(stream: IO[str]) -> tuple[str, str]:
    """What a person reads off the screen: the code, and all until then."""
    shown = ""
    while not (found := re.search(r"confirm the code +(\S+)", shown)):
        line = stream.readline()
        assert line, shown
        shown += line
    return found[1], shown


def test_a_login_by_the_device_flow(
    stranger: Run, trusting_server: RunningServer, provider: Provider, work: Path
) -> None:
    process = logging_in(trusting_server)
    assert process.stderr is not None
    code, shown = code_shown(process.stderr)
    assert f"{provider.issuer}/device?user_code={code}" in shown
    provider.approve(code, "subject-of-alice")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "user:alice\n"), err
    file = work / ".safenai"
    assert file.stat().st_mode & 0o777 == 0o600
    assert re.search(r"eyJ[\w-]{10}", file.read_text())
    assert "eyJ" not in shown + out + err
    assert "refresh_token" in file.read_text()

    assert stranger("whoami", "--quiet").stdout == "user:alice\n"
    assert "Logged out of" in stranger("logout").stderr
    assert "eyJ" not in file.read_text()
    assert "refresh_token" not in file.read_text()
    assert "no token" in stranger("whoami", code=4).stderr
    assert "There was no token" in stranger("logout").stderr


def test_a_person_who_says_no(
    stranger: Run, trusting_server: RunningServer, provider: Provider, work: Path
) -> None:
    del stranger
    process = logging_in(trusting_server, "--json")
    assert process.stderr is not None
    code, _ = code_shown(process.stderr)
    provider.deny(code)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (4, "")
    assert "was refused there" in err
    assert not (work / ".safenai").exists()


def test_a_user_who_cannot_be_one_is_told_why_and_nothing_is_kept(
    stranger: Run, trusting_server: RunningServer, provider: Provider, work: Path
) -> None:
    del stranger
    process = logging_in(trusting_server)
    assert process.stderr is not None
    code, _ = code_shown(process.stderr)
    provider.approve(code, "subject-of-dave")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 4
    assert "'Dave Smith', which the issuer says" in err
    assert not (work / ".safenai").exists()


def test_a_token_of_the_servers_own_works_beside(
    stranger: Run, trusting_server: RunningServer, work: Path
) -> None:
    del work
    args = ("login", trusting_server.address)
    done = stranger(*args, "--token-stdin", stdin=f"{trusting_server.token}\n")
    assert done.stdout == "user:admin\n"
    shown = on_terminal(*args, "--with-token", typed=("Token:", f"{trusting_server.token}\n"))
    assert "Logged in" in shown
    assert trusting_server.token not in shown


def test_an_issuer_is_chosen_by_its_name(
    stranger: Run, trusting_server: RunningServer, server: RunningServer
) -> None:
    for address, told in (
        (trusting_server.address, "It has corp."),
        (server.address, "--with-token"),
    ):
        result = stranger("login", address, "--issuer", "other", code=2)
        assert "has no issuer 'other'" in result.stderr
        assert told in result.stderr


def test_a_jwt_that_got_into_a_message_is_not_shown() -> None:
    from klarity_storage.cli._errors import _without_secrets

    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
    assert _without_secrets(f"got {token}, hm") == "got eyJ***, hm"
