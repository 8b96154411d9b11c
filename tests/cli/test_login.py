from __future__ import annotations

import stat
from pathlib import Path

import pytest

from cli.harness import Run, document
from cli.terminal import on_terminal
from klarity_storage.protocol.server import Identity
from server_fixture import RunningServer

pytestmark = pytest.mark.real


@pytest.fixture
def stranger(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ks where nothing says where to connect."""
    monkeypatch.delenv("KS_URL")
    return run


def test_login_keeps_address_and_token_for_its_owner_alone(
    stranger: Run, server: RunningServer, work: Path
) -> None:
    assert "try: ks login" in stranger("whoami", code=2).stderr
    result = stranger("login", server.address, "--token-stdin", stdin=f"{server.token}\n")
    assert server.token not in result.output
    assert result.stdout == "user:admin\n"
    file = work / ".safenai"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert server.token in file.read_text()
    assert document(stranger("whoami", "--json"), Identity).administrator
    assert ".safenai" in stranger("whoami").stdout


def test_a_token_is_typed_without_an_echo(stranger: Run, server: RunningServer, work: Path) -> None:
    del stranger
    shown = on_terminal("login", server.address, typed=("Token:", f"{server.token}\n"))
    assert "Token:" in shown
    assert server.token not in shown
    assert (work / ".safenai").exists()


def test_a_wrong_token_is_not_kept(stranger: Run, server: RunningServer, work: Path) -> None:
    wrong = "ks_" + "w" * 43
    result = stranger("login", server.address, "--token-stdin", stdin=wrong, code=4)
    assert wrong not in result.output
    assert not (work / ".safenai").exists()


@pytest.mark.parametrize(
    ("args", "stdin", "code", "says"),
    [
        ([], None, 7, "127.0.0.1:9"),
        (["--with-token"], None, 2, "Nobody is at the terminal"),
        (["--token-stdin"], "", 2, "empty"),
        (["--token-stdin"], "ks_" + "w" * 43, 7, "127.0.0.1:9"),
    ],
)
def test_a_login_that_cannot_be(
    stranger: Run, args: list[str], stdin: str | None, code: int, says: str
) -> None:
    result = stranger("login", "http://127.0.0.1:9", *args, stdin=stdin, code=code)
    assert says in result.stderr


def test_login_to_a_directory_makes_no_sense(stranger: Run, work: Path) -> None:
    stranger("login", str(work / "store"), "--token-stdin", stdin="ks_" + "w" * 43, code=2)
    assert not (work / ".safenai").exists()
    assert not (work / "store").exists()
