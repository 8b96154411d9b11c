from __future__ import annotations

import http.server
import json
import threading
from pathlib import Path

import pytest

import klarity_storage as ks
from klarity_storage.client.config import save_login
from server_fixture import RunningServer


def test_a_directory_is_a_store_of_its_own(tmp_path: Path) -> None:
    with ks.connect(tmp_path / "store") as storage:
        assert storage.mode == "local"
        assert storage.whoami().principal.startswith("local:")
        storage.create_space("vision")
        assert [space.key for space in storage.get_spaces()] == ["vision"]
        with pytest.raises(ks.AlreadyExistsError):
            storage.create_space("vision")
        with pytest.raises(ks.SpaceNotFoundError, match="audio"):
            storage.get_datasets("audio")
        with pytest.raises(ks.InvalidInputError, match="Local mode"):
            storage.admin.get_users()
        with pytest.raises(ks.InvalidInputError, match="Local mode"):
            storage.credentials("vision/datasets/cats")


def test_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ks.ConfigurationError, match="not a directory"):
        ks.connect(tmp_path / "file")


def test_a_connection_says_where_it_came_from(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KS_URL", server.address)
    monkeypatch.setenv("KS_TOKEN", server.token)
    with ks.connect() as storage:
        assert storage.mode == "server"
        assert storage.source == (
            f"{server.address} from the environment, token from the environment"
        )
        assert storage.whoami().principal == "user:admin"
        assert server.token not in repr(storage) + repr(storage.__dict__)


def test_a_login_is_enough(server: RunningServer) -> None:
    save_login(server.address, server.token)
    with ks.connect() as storage:
        assert storage.whoami().administrator


def test_without_a_token_nothing_is_asked(server: RunningServer) -> None:
    with pytest.raises(ks.UnauthenticatedError, match="no token") as caught:
        ks.connect(server.address)
    assert "ks login" in (caught.value.hint or "")


def test_a_wrong_token_is_told_at_once_with_its_source(server: RunningServer) -> None:
    with pytest.raises(ks.UnauthenticatedError, match="from the arguments") as caught:
        ks.connect(server.address, token="ks_" + "x" * 43)
    assert "x" * 43 not in str(caught.value)
    assert caught.value.request_id


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(ks.UnavailableError, match="does not answer"):
        ks.connect("http://127.0.0.1:1", token="ks_x")


def test_something_else_that_answers_is_named(server: RunningServer) -> None:
    with pytest.raises(ks.StorageError):
        ks.connect(f"{server.address}/nothing/here", token=server.token)


def test_the_project_gives_a_new_token_in_the_place_of_one_that_is_revoked(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, space: str
) -> None:
    with ks.connect(server.address, token=server.token) as admin:
        admin.admin.create_user(space)
        given = [admin.admin.create_token(space)]

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                told = {"base_url": server.address, "token": given[-1].secret}
                self.wfile.write(json.dumps(told).encode())

            def log_message(self, *args: object) -> None: ...

        with http.server.HTTPServer(("127.0.0.1", 0), Handler) as api:
            threading.Thread(target=api.serve_forever).start()
            try:
                monkeypatch.setenv("SAFENAI_PROJECT_API", f"http://127.0.0.1:{api.server_port}/")
                with ks.connect() as storage:
                    admin.admin.revoke_token(given[-1].token.id)
                    with pytest.raises(ks.UnauthenticatedError, match="revoked"):
                        storage.whoami()
                    given.append(admin.admin.create_token(space))
                    assert storage.whoami().principal == f"user:{space}"
            finally:
                api.shutdown()
