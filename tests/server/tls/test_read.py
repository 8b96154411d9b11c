from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from certificate_fixture import Authority, Pair
from klarity_storage.errors import ConfigurationError
from klarity_storage.server.settings.sections import TlsSettings
from klarity_storage.server.tls.read import Certificate, read_certificate


def read(pair: Pair) -> Certificate:
    settings = TlsSettings(certificate=str(pair.certificate), key=str(pair.key))
    found = read_certificate(settings, Path("/nowhere"))
    assert found is not None
    return found


def refused(pair: Pair) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(pair)
    assert caught.value.hint
    return caught.value.message


def test_a_pair(authority: Authority) -> None:
    pair = authority.sign(hosts=("*.example.org", "ks.example.org", "localhost"))
    found = read(pair)
    assert (found.file, found.key, found.host) == (pair.certificate, pair.key, "ks.example.org")


def test_an_authority_between_follows(authority: Authority) -> None:
    pair = authority.sign(hosts=())
    with pair.certificate.open("ab") as file:
        file.write(authority.file.read_bytes())
    assert read(pair).host is None


def test_relative_paths_begin_at_the_folder(authority: Authority) -> None:
    pair = authority.sign()
    settings = TlsSettings(certificate=pair.certificate.name, key=pair.key.name)
    found = read_certificate(settings, pair.key.parent)
    assert found is not None
    assert found.file == pair.certificate


def test_none_or_both(authority: Authority) -> None:
    assert read_certificate(TlsSettings(), Path()) is None
    pair = authority.sign()
    with pytest.raises(ConfigurationError, match=r"tls\.key"):
        read_certificate(TlsSettings(certificate=str(pair.certificate)), Path())
    with pytest.raises(ConfigurationError, match=r"tls\.certificate"):
        read_certificate(TlsSettings(key=str(pair.key)), Path())


def test_what_cannot_be_read(authority: Authority, tmp_path: Path) -> None:
    pair = authority.sign()
    assert "No such file" in refused(Pair(tmp_path / "none", pair.key))
    assert "No such file" in refused(Pair(pair.certificate, tmp_path / "none"))
    assert "no certificate in PEM" in refused(Pair(pair.key, pair.key))
    assert "no private key in PEM" in refused(Pair(pair.certificate, pair.certificate))
    empty = tmp_path / "empty"
    empty.touch()
    assert "no certificate in PEM" in refused(Pair(empty, pair.key))


def test_another_ones_key(authority: Authority) -> None:
    pair = Pair(authority.sign("one").certificate, authority.sign("two").key)
    assert "belongs to another certificate" in refused(pair)


def test_a_key_with_a_password(authority: Authority) -> None:
    assert "has a password" in refused(authority.sign(password=b"secret"))


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o601])
def test_a_key_that_others_may_read(authority: Authority, mode: int) -> None:
    pair = authority.sign()
    pair.key.chmod(mode)
    assert "may be read by others" in refused(pair)
    pair.key.chmod(0o400)
    read(pair)


def test_a_group_may_read_what_is_roots_own(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = authority.sign()
    pair.key.chmod(0o640)
    if os.geteuid() != 0:
        pytest.skip("takes a file of root's")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    read(pair)
    pair.key.chmod(0o644)
    assert "may be read by others" in refused(pair)


def test_a_certificate_that_is_not_valid_now(authority: Authority) -> None:
    hour = timedelta(hours=1)
    assert "expired on" in refused(authority.sign(begin=-2 * hour, end=-hour))
    assert "not yet" in refused(authority.sign(begin=hour, end=2 * hour))
