from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from klarity_storage.errors import ConfigurationError
from klarity_storage.server.settings.read import read_settings
from klarity_storage.server.settings.sections import SECTIONS, Settings, table

S3 = {
    "engine.kind": "s3",
    "engine.endpoint": "https://s3.example.org",
    "engine.role_arn": "arn:aws:iam::1:role/ks",
}
KEYS = {"KS_S3_ACCESS_KEY_ID": "key", "KS_S3_SECRET_ACCESS_KEY": "hidden-secret"}


def write(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "klarity.toml"
    file.write_text(text)
    file.chmod(mode)
    return file


def read(folder: Path, text: str = "", **more: Any) -> Settings:
    write(folder, text)
    return read_settings(folder, **more)


def fault(folder: Path, text: str = "", **more: Any) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        read(folder, text, **more)
    return caught.value


def test_nothing_needs_to_be_set(tmp_path: Path) -> None:
    settings = read_settings(tmp_path)
    assert settings.engine.kind == "seaweed"
    assert settings.server.host == "127.0.0.1"


def test_every_setting_has_a_sentence() -> None:
    listed = table()
    assert len({setting.key for setting in listed}) == len(listed) > 10
    assert all(setting.text.endswith(".") for setting in listed)
    assert {setting.key.split(".")[0] for setting in listed} == set(SECTIONS)


def test_the_command_line_wins_over_the_file_which_wins_over_the_default(tmp_path: Path) -> None:
    text = "[server]\nport = 9000\nhost = '0.0.0.0'\n"
    settings = read(tmp_path, text, overrides={"server.port": 0, "server.host": None})
    assert (settings.server.port, settings.server.host) == (0, "0.0.0.0")
    assert settings.storage.bucket == "klarity"


def test_the_file_may_lie_elsewhere_and_must_then_be_there(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    file = write(tmp_path / "etc", "[storage]\nbucket = 'elsewhere'\n")
    assert read_settings(tmp_path, file=file).storage.bucket == "elsewhere"
    missing = tmp_path / "none.toml"
    with pytest.raises(ConfigurationError, match=r"none\.toml"):
        read_settings(tmp_path, file=missing)


@pytest.mark.parametrize(
    ("text", "named", "nearest"),
    [
        ("[server]\nprot = 1\n", "server.prot", "server.port"),
        ("[engine]\nendpiont = 'x'\n", "engine.endpiont", "engine.endpoint"),
        ("[servr]\nport = 1\n", "[servr]", "server"),
        ("[storage]\nbukcet = 'x'\n", "storage.bukcet", "storage.bucket"),
        ("[engine]\nqqqqqqqqqqq = 1\n", "engine.qqqqqqqqqqq", "engine.kind"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_right_one(
    tmp_path: Path, text: str, named: str, nearest: str
) -> None:
    error = fault(tmp_path, text)
    assert named in error.message
    assert str(tmp_path / "klarity.toml") in error.message
    assert nearest in (error.hint or "")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[server]\nport = 'eight'\n", "server.port is wrong: Expected `int`, got `str`"),
        ("[server]\nport = 70000\n", "server.port"),
        ("[server]\nport = -1\n", "server.port"),
        ("[engine]\nkind = 'minio'\n", "engine.kind"),
        ("[storage]\nbucket = 3\n", "storage.bucket"),
        ("server = 3\n", "'server'"),
        ("[server\n", "klarity.toml"),
        ("[storage]\nbucket = 'ab'\n", "storage.bucket"),
        ("[storage]\nbucket = 'Klarity'\n", "storage.bucket"),
        ("[engine]\nendpoint = 'https://x'\n", "engine.endpoint"),
        ("[engine]\nregion = 'eu-west-1'\n", "engine.region"),
        ("[engine]\nkind = 's3'\nport = 9\n", "engine.port"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, text: str, named: str) -> None:
    assert named in fault(tmp_path, text, environment=KEYS).message


def test_the_url_of_the_database_is_a_secret(tmp_path: Path) -> None:
    url = "postgresql://klarity:hidden@db.example.org/klarity"
    file = write(tmp_path, f"[database]\nurl = '{url}'\n")
    file.chmod(0o644)
    with pytest.raises(ConfigurationError, match="may be read by others"):
        read_settings(tmp_path)
    file.chmod(0o600)
    settings = read_settings(tmp_path)
    assert settings.database.url == url
    assert "hidden" not in repr(settings)
    other = url.replace("hidden", "other")
    again = read_settings(tmp_path, environment={"KS_DATABASE_URL": other})
    assert again.database.url == other
    file.unlink()
    assert read_settings(tmp_path, environment={"KS_DATABASE_URL": url}).database.url == url


@pytest.mark.parametrize("url", ["mysql://klarity:hidden@db/x", "hidden", "sqlite:///hidden"])
def test_another_database_is_refused_without_showing_its_url(tmp_path: Path, url: str) -> None:
    error = fault(tmp_path, "", environment={"KS_DATABASE_URL": url})
    assert error.message == "database.url is not the URL of a PostgreSQL."
    assert "hidden" not in f"{error.hint}{error.__cause__}"


def test_a_wrong_secret_is_not_shown(tmp_path: Path) -> None:
    error = fault(tmp_path, "[engine]\nsecret_access_key = 987654321\n")
    assert "engine.secret_access_key" in error.message
    assert "987654321" not in f"{error.message}{error.hint}"


def test_an_s3_needs_all_of_its_settings_and_names_those_that_miss(tmp_path: Path) -> None:
    error = fault(tmp_path, overrides={"engine.kind": "s3"})
    for name in ("endpoint", "role_arn", "access_key_id", "secret_access_key"):
        assert f"engine.{name}" in error.message
    for variable in KEYS:
        assert variable in (error.hint or "")


@pytest.mark.parametrize("url", ["s3.example.org", "ftp://s3.example.org", "https://"])
def test_an_endpoint_is_a_url(tmp_path: Path, url: str) -> None:
    error = fault(tmp_path, overrides=S3 | {"engine.endpoint": url}, environment=KEYS)
    assert "engine.endpoint" in error.message


def test_keys_come_from_the_environment_before_the_file(tmp_path: Path) -> None:
    text = "[engine]\naccess_key_id = 'old'\nsecret_access_key = 'old'\n"
    settings = read(tmp_path, text, overrides=S3, environment=KEYS)
    assert settings.engine.secret_access_key == "hidden-secret"


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    settings = read(tmp_path, overrides=S3, environment=KEYS)
    assert "hidden-secret" not in repr(settings)
    assert "hidden-secret" not in f"{settings} {settings.engine}"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_with_secrets_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = write(tmp_path, "[engine]\nsecret_access_key = 'hidden-secret'\n", mode)
    with pytest.raises(ConfigurationError, match="read by others") as caught:
        read_settings(tmp_path)
    assert f"chmod 600 {file}" in (caught.value.hint or "")
    assert "hidden-secret" not in str(caught.value)


def test_a_file_without_secrets_may_be_read_by_all(tmp_path: Path) -> None:
    write(tmp_path, "[server]\nport = 1\n", 0o644)
    assert read_settings(tmp_path).server.port == 1


def test_settings_do_not_change(tmp_path: Path) -> None:
    settings = read_settings(tmp_path)
    with pytest.raises(AttributeError):
        settings.server.port = 1  # type: ignore[misc]
    assert msgspec.structs.replace(settings.server, port=1).port == 1
