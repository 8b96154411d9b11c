"""Tokens that end in the midst of the work, and are renewed at a real provider."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

import klarity_storage as ks
from conftest import PlantTree
from klarity_storage.client.config import save_login
from klarity_storage.client.device_flow import DeviceCode
from klarity_storage.client.http import Http
from klarity_storage.client.logins import Login, find_issuers, forget, log_in
from klarity_storage.client.remote import RemoteBackend
from klarity_storage.client.safenai import home_file, read_section
from klarity_storage.errors import UnavailableError
from oidc_fixture import Provider, SigningKey, claims_of
from server_fixture import RunningServer

pytestmark = pytest.mark.real

ALICE = {"sub": "subject-of-alice", "preferred_username": "alice"}


@pytest.fixture
def login(
    trusting_server: RunningServer, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, Login]:
    """A login of alice, by the device flow; nobody waits between two questions."""
    codes: list[DeviceCode] = []

    def sleep(_: float) -> None:
        while codes:
            provider.approve(codes.pop().user_code, "subject-of-alice")

    clock = SimpleNamespace(sleep=sleep, monotonic=time.monotonic)
    monkeypatch.setattr("klarity_storage.client.device_flow.time", clock)
    [issuer] = find_issuers(trusting_server.address)
    token, made = log_in(issuer, codes.append)
    assert made is not None
    return token, made


@pytest.fixture
def ended(
    trusting_server: RunningServer,
    provider: Provider,
    first_key: SigningKey,
    login: tuple[str, Login],
) -> str:
    """The home directory's file holds this token, which has ended, and what renews it."""
    token = first_key.sign(claims_of(provider.issuer, exp=int(time.time()) - 60, **ALICE))
    save_login(trusting_server.address, token, login[1])
    return token


def counted(storage: ks.Storage) -> tuple[Http, list[str]]:
    """What a connection calls with, and the tokens that it had renewed."""
    assert isinstance(storage._backend, RemoteBackend)
    http, renewals = storage._backend.http, list[str]()
    renew = http._renew
    assert renew is not None

    def count(token: str) -> str | None:
        renewals.append(token)
        return renew(token)

    http._renew = count
    return http, renewals


def test_a_login_is_kept_for_its_owner_alone(
    trusting_server: RunningServer, login: tuple[str, Login]
) -> None:
    token, made = login
    assert made.refresh_token not in repr(made)
    file = save_login(trusting_server.address, token, made)
    assert file.stat().st_mode & 0o777 == 0o600
    with ks.connect() as storage:
        assert storage.whoami().principal == "user:alice"
        assert token not in repr(storage) + str(vars(storage))
    file.chmod(0o644)
    with pytest.raises(ks.ConfigurationError, match="others may read it"):
        ks.connect()


def test_a_token_that_has_ended_is_renewed_and_kept(ended: str) -> None:
    before = read_section(home_file())["login"]["refresh_token"]
    with ks.connect() as storage:
        assert storage.whoami().principal == "user:alice"
    section = read_section(home_file())
    assert section["token"] != ended
    assert section["login"]["refresh_token"] != before
    assert home_file().stat().st_mode & 0o777 == 0o600


def test_a_token_that_ends_in_a_transfer_is_renewed_once(
    trusting_server: RunningServer, ended: str, plant: PlantTree, space: str
) -> None:
    trusting_server.admin.create_space(space)
    with ks.connect() as storage:
        trusting_server.admin.admin.create_grant("user:alice", "owner", space)
        http, renewals = counted(storage)
        http._token = ended
        version = storage.push(f"{space}/datasets/cats", plant({"a": b"1", "b/c": b"2"}))
        http._token = ended
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: storage.whoami().principal, range(8)))
        assert found == ["user:alice"] * 8
        assert storage.get_version(version.ref).open("a").read() == b"1"
    assert renewals == [ended, ended]


def test_processes_that_renew_at_once_do_not_look_like_a_theft(ended: str) -> None:
    """The provider ends a login whose refresh token is used twice."""
    command = [str(Path(sys.executable).with_name("ks")), "whoami", "--quiet"]
    for _ in range(2):
        section = read_section(home_file())
        login = Login(**section["login"])
        save_login(section["base_url"], ended, login)
        running = [
            subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(os.environ), text=True)
            for _ in range(3)
        ]
        assert [process.communicate(timeout=60)[0] for process in running] == ["user:alice\n"] * 3


def test_a_login_that_has_ended_says_so(ended: str) -> None:
    section = read_section(home_file())
    login = Login(**section["login"])
    login.at_issuer().revoke(login.refresh_token)
    with pytest.raises(ks.UnauthenticatedError, match="has ended") as caught:
        ks.connect()
    assert "ks login" in (caught.value.hint or "")
    assert login.refresh_token not in str(caught.value)
    assert read_section(home_file())["token"] == ended


def test_a_login_renews_nothing_for_another_server(
    trusting_server: RunningServer, server: RunningServer, ended: str
) -> None:
    del trusting_server
    before = home_file().read_text()
    with pytest.raises(ks.UnauthenticatedError):
        ks.connect(server.address, token=ended)
    assert home_file().read_text() == before


def test_another_login_takes_the_place_of_the_first(server: RunningServer, ended: str) -> None:
    del ended
    save_login(server.address, server.token)
    assert "login" not in read_section(home_file())


def test_a_logout_ends_the_login_at_the_issuer(
    trusting_server: RunningServer, login: tuple[str, Login]
) -> None:
    save_login(trusting_server.address, *login)
    assert forget() == (trusting_server.address, None)
    section = read_section(home_file())
    assert section == {"base_url": trusting_server.address}
    with pytest.raises(ks.UnauthenticatedError, match="has ended"):
        login[1].at_issuer().refresh(login[1].refresh_token)
    assert forget() == (None, None)


def test_a_logout_forgets_even_where_the_issuer_does_not_answer() -> None:
    save_login("http://127.0.0.1:1", "eyJ.a.b", Login("http://127.0.0.1:1", "ks", "secret"))
    server, fault = forget()
    assert server == "http://127.0.0.1:1"
    assert "does not answer" in str(fault)
    assert "secret" not in home_file().read_text()


@pytest.mark.parametrize("text", ["login = 7", "login = {issuer = 'x'}", "login = {colour = 1}"])
def test_a_login_that_ks_did_not_write(text: str) -> None:
    home_file().write_text(
        f'[storage]\nbase_url = "http://127.0.0.1:1"\ntoken = "eyJ.a.b"\n{text}\n'
    )
    home_file().chmod(0o600)
    from klarity_storage.client.logins import renew

    with pytest.raises(ks.ConfigurationError, match="not what ks login writes"):
        renew("http://127.0.0.1:1", "eyJ.a.b")


def test_a_projects_file_holds_no_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".safenai").write_text("[storage.login]\nrefresh_token = 'x'\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ks.ConfigurationError, match="shared"):
        ks.connect("http://127.0.0.1:1")


def test_what_was_never_sent_was_not_deleted(server: RunningServer) -> None:
    """An issuer that does not answer at first is no reason to take what is not there for gone."""
    asked: list[str] = []

    def renew(ended: str) -> str:
        asked.append(ended)
        if len(asked) == 1:
            raise UnavailableError("The issuer does not answer.")
        return server.token

    http = Http(server.address, "ks_ended", renew)
    with pytest.raises(ks.NotFoundError):
        http.delete("/v1/tokens/token_0000000000000000")
    http.close()
    assert asked == ["ks_ended"] * 2
