from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import klarity_storage as ks
from klarity_storage.client.config import read_configuration, save_login

URL = "http://127.0.0.1:1"


def write(file: Path, text: str, mode: int = 0o600) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)
    return file


def home(text: str, mode: int = 0o600) -> Path:
    return write(Path.home() / ".safenai", text, mode)


def test_arguments_come_first(tmp_path: Path) -> None:
    home(f'[storage]\nbase_url = "{URL}/home"\ntoken = "ks_home"\n')
    environ = {"KS_URL": f"{URL}/env", "KS_TOKEN": "ks_env"}
    found = read_configuration(f"{URL}/arg/", "ks_arg", environ=environ, start=tmp_path)
    assert (found.location, found.token) == (f"{URL}/arg", "ks_arg")


def test_then_the_environment_then_the_nearest_file_then_home(tmp_path: Path) -> None:
    home(f'[storage]\nbase_url = "{URL}/home"\ntoken = "ks_home"\ndataspaces = ["a"]\n')
    start = tmp_path / "project" / "deep"
    write(tmp_path / "project" / ".safenai", f'[storage]\nbase_url = "{URL}/project"\n')
    start.mkdir()

    def location(**environ: str) -> str:
        return read_configuration(environ=environ, start=start).location

    assert location(KS_URL=f"{URL}/env") == f"{URL}/env"
    assert location() == f"{URL}/project"
    found = read_configuration(environ={}, start=tmp_path)
    assert (found.location, found.token, found.dataspaces) == (f"{URL}/home", "ks_home", ("a",))
    assert ".safenai" in found.source


def test_a_token_goes_only_to_the_server_that_its_source_names(tmp_path: Path) -> None:
    home(f'[storage]\nbase_url = "{URL}/home"\ntoken = "ks_home"\n')
    write(tmp_path / ".safenai", '[storage]\nbase_url = "http://evil.invalid"\n')
    assert read_configuration(environ={}, start=tmp_path).token is None
    assert read_configuration(f"{URL}/other", environ={}, start=Path("/")).token is None
    environ = {"KS_URL": f"{URL}/env", "KS_TOKEN": "ks_env"}
    assert read_configuration("http://other.invalid", environ=environ).token is None
    assert read_configuration(f"{URL}/x", environ={"KS_TOKEN": "ks_env"}).token == "ks_env"


def test_a_token_is_in_no_repr(tmp_path: Path) -> None:
    found = read_configuration(URL, "ks_secret", environ={}, start=tmp_path)
    assert "ks_secret" not in repr(found) + found.source


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_token_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = home(f'[storage]\nbase_url = "{URL}"\ntoken = "ks_home"\n', mode)
    with pytest.raises(ks.ConfigurationError, match="others may read it") as caught:
        read_configuration(environ={}, start=tmp_path)
    assert caught.value.hint == f"chmod 600 {file}"


@pytest.mark.parametrize("url", ["{}@host", "u:{}@host", "host/?token={}", "host/#{}"])
def test_a_url_that_holds_a_secret_is_refused_without_it(tmp_path: Path, url: str) -> None:
    secret = "ks_" + "s" * 43
    place = "https://" + url.format(secret)
    for target, environ in ((place, {}), (None, {"KS_URL": place})):
        with pytest.raises(ks.ConfigurationError, match="more than an address") as caught:
            read_configuration(target, environ=environ, start=tmp_path)
        assert secret not in str(caught.value) + str(caught.value.hint)
        assert "ks token revoke" in str(caught.value.hint)


@pytest.mark.parametrize(
    "token", ["ks_a\nX-Evil: 1", "ks_a b", "ks_\u00e9", "ks_\u4e16", "ks_\x7f"]
)
def test_a_token_that_cannot_stand_in_a_header_is_refused_without_it(
    tmp_path: Path, token: str
) -> None:
    for given, environ in ((token, {}), (None, {"KS_TOKEN": token})):
        with pytest.raises(ks.ConfigurationError, match="holds characters") as caught:
            read_configuration(URL, given, environ=environ, start=tmp_path)
        assert token not in str(caught.value) + str(caught.value.hint)
        assert caught.value.__cause__ is None


def test_the_line_end_of_a_tokens_file_does_not_count(tmp_path: Path) -> None:
    found = read_configuration(URL, environ={"KS_TOKEN": " ks_env\r\n"}, start=tmp_path)
    assert found.token == "ks_env"
    assert read_configuration(URL, environ={"KS_TOKEN": " \n"}, start=tmp_path).token is None


def test_a_token_in_a_projects_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path / ".safenai", '[storage]\ntoken = "ks_project"\n')
    with pytest.raises(ks.ConfigurationError, match="project's file"):
        read_configuration(URL, environ={}, start=tmp_path)


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("[storage\n", "cannot be read", None),
        ('[storage]\nbase_ulr = "x"\n', "unknown key 'base_ulr'", "'base_url'"),
        ("[storage]\nbase_url = 7\n", "not a text", None),
        ('[storage]\ndataspaces = "vision"\n', "not a list", None),
        ('storage = "x"\n', "not a table", None),
        ('[storage]\nbase_url = "ftp://x"\n', "neither an http", None),
    ],
)
def test_a_file_that_is_wrong_is_named(
    tmp_path: Path, text: str, says: str, hint: str | None
) -> None:
    write(tmp_path / ".safenai", text)
    with pytest.raises(ks.ConfigurationError, match=says) as caught:
        read_configuration(environ={}, start=tmp_path)
    assert hint is None or hint in (caught.value.hint or "")


def test_other_products_may_keep_their_sections(tmp_path: Path) -> None:
    write(tmp_path / ".safenai", f'[front]\ncolour = 1\n[storage]\nbase_url = "{URL}"\n')
    assert read_configuration(environ={}, start=tmp_path).location == URL


def test_nothing_to_connect_to_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ks.ConfigurationError, match="no server") as caught:
        read_configuration(environ={}, start=tmp_path)
    assert "ks login" in (caught.value.hint or "")


@pytest.fixture
def project_api() -> Iterator[tuple[str, list[bytes]]]:
    answers: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answers[-1])

        def log_message(self, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as api:
        threading.Thread(target=api.serve_forever).start()
        yield f"http://127.0.0.1:{api.server_port}/", answers
        api.shutdown()


def test_the_project_api_comes_last(tmp_path: Path, project_api: tuple[str, list[bytes]]) -> None:
    url, answers = project_api
    environ = {"SAFENAI_PROJECT_API": url}
    answers.append(
        json.dumps({"base_url": URL, "token": "ks_p", "spaces": ["a", "b"], "expiry": 1}).encode()
    )
    found = read_configuration(environ=environ, start=tmp_path)
    assert (found.location, found.token, found.dataspaces) == (URL, "ks_p", ("a", "b"))
    assert "project API" in found.source
    home(f'[storage]\nbase_url = "{URL}/home"\n')
    assert read_configuration(environ=environ, start=tmp_path).location == f"{URL}/home"


def test_the_project_api_gives_the_token_for_the_server_that_a_file_names(
    tmp_path: Path, project_api: tuple[str, list[bytes]]
) -> None:
    url, answers = project_api
    environ = {"SAFENAI_PROJECT_API": url}
    answers.append(json.dumps({"base_url": f"{URL}/p", "token": "ks_p"}).encode())
    write(tmp_path / ".safenai", f'[storage]\nbase_url = "{URL}/p"\n')
    found = read_configuration(environ=environ, start=tmp_path)
    assert (found.location, found.token) == (f"{URL}/p", "ks_p")
    assert found.source.endswith("token from the project API")
    write(tmp_path / ".safenai", f'[storage]\nbase_url = "{URL}/other"\n')
    assert read_configuration(environ=environ, start=tmp_path).token is None
    # and is not asked where all is known, or nothing of it is needed
    environ = {"SAFENAI_PROJECT_API": "http://127.0.0.1:1", "KS_TOKEN": "ks_env"}
    assert read_configuration(environ=environ, start=tmp_path).token == "ks_env"
    environ = {"SAFENAI_PROJECT_API": "http://127.0.0.1:1"}
    assert read_configuration(tmp_path, environ=environ).token is None
    (tmp_path / ".safenai").unlink()
    with pytest.raises(ks.UnavailableError, match="SAFENAI_PROJECT_API"):
        read_configuration(environ=environ, start=tmp_path)


def test_the_project_api_gives_another_token_when_one_has_ended(
    tmp_path: Path, project_api: tuple[str, list[bytes]]
) -> None:
    url, answers = project_api
    answers.append(json.dumps({"base_url": URL, "token": "ks_1"}).encode())
    found = read_configuration(environ={"SAFENAI_PROJECT_API": url}, start=tmp_path)
    assert found.renew is not None
    assert found.renew("ks_1") is None  # it knows no other
    answers.append(json.dumps({"base_url": URL, "token": "ks_2"}).encode())
    assert found.renew("ks_1") == "ks_2"
    answers.append(json.dumps({"base_url": f"{URL}/elsewhere", "token": "ks_3"}).encode())
    assert found.renew("ks_2") is None  # a token is for the server that it was given for
    assert "ks_" not in repr(found)


@pytest.mark.parametrize("answer", [b"", b"[]", b"1", b"{}", b'{"base_url": "http://x"}'])
def test_a_project_api_that_answers_nonsense_is_named(
    tmp_path: Path, project_api: tuple[str, list[bytes]], answer: bytes
) -> None:
    url, answers = project_api
    answers.append(answer)
    with pytest.raises(ks.ConfigurationError, match="SAFENAI_PROJECT_API"):
        read_configuration(environ={"SAFENAI_PROJECT_API": url}, start=tmp_path)


def test_a_login_is_kept_for_the_owner_alone_and_comments_stay(tmp_path: Path) -> None:
    file = home('# mine\n[front]\ncolour = 1 # red\n\n[storage]\ndataspaces = ["a"]\n', 0o644)
    assert save_login(URL, "ks_new") == file
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text()
    assert "# mine" in text
    assert "# red" in text
    found = read_configuration(environ={}, start=tmp_path)
    assert (found.location, found.token, found.dataspaces) == (URL, "ks_new", ("a",))
    save_login(f"{URL}/2", "ks_newer")
    assert read_configuration(environ={}, start=tmp_path).token == "ks_newer"
    assert file.read_text().count("token") == 1
    assert [f.name for f in Path.home().iterdir() if f.name.startswith(".safenai")] == [".safenai"]


def test_a_login_does_not_overwrite_a_file_that_it_cannot_read() -> None:
    file = home("[storage\nmine")
    with pytest.raises(ks.ConfigurationError):
        save_login(URL, "ks_new")
    assert file.read_text() == "[storage\nmine"
