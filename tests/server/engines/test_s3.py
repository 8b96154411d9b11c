"""An S3 that stands already: a second SeaweedFS, and ones that lack what is needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from obstore.exceptions import PermissionDeniedError

from engine_proxy import Exchange, Spoil, form, spoiled
from klarity_storage.errors import ConfigurationError, StorageError, UnavailableError
from klarity_storage.protocol.credentials import MIN_DURATION
from klarity_storage.server.credentials.policy import compile_policy
from klarity_storage.server.engines import weed
from klarity_storage.server.engines.open import open_engine
from klarity_storage.server.engines.ports import choose_ports
from klarity_storage.server.engines.probe import FOLDER
from klarity_storage.server.engines.s3 import S3Engine
from klarity_storage.server.engines.seaweed import SeaweedEngine
from klarity_storage.server.engines.sts import open_store
from klarity_storage.server.settings.read import read_settings
from klarity_storage.server.settings.sections import EngineSettings

pytestmark = pytest.mark.real


def settings_of(engine: SeaweedEngine, **changes: Any) -> EngineSettings:
    own = engine.credentials
    settings = EngineSettings(
        kind="s3",
        endpoint=own.endpoint,
        role_arn=weed.ROLE_ARN,
        access_key_id=own.access_key_id,
        secret_access_key=own.secret_access_key,
    )
    return msgspec.structs.replace(settings, **changes)


def refusal(settings: EngineSettings, bucket: str = "klarity") -> StorageError:
    with pytest.raises(StorageError) as caught:
        S3Engine.connect(settings, bucket)
    return caught.value


def test_an_s3_with_all_that_is_needed_is_used_and_left_clean(
    engine: SeaweedEngine, space: str
) -> None:
    standing = S3Engine.connect(settings_of(engine), "klarity")
    assert standing.check() is None
    assert not standing.store.list(f"{FOLDER}/").collect()
    standing.store.put(f"{space}/a/x", b"own")
    standing.store.put(f"{space}/b/x", b"foreign")
    given = standing.assume(
        compile_policy("klarity", read=[f"{space}/a/"]), "somebody", MIN_DURATION
    )
    session = open_store(given)
    assert bytes(session.get(f"{space}/a/x").bytes()) == b"own"
    with pytest.raises(PermissionDeniedError):
        session.get(f"{space}/b/x")


def test_the_settings_choose_it(engine: SeaweedEngine, tmp_path: Path) -> None:
    own = engine.credentials
    settings = read_settings(
        tmp_path,
        overrides={
            "engine.kind": "s3",
            "engine.endpoint": own.endpoint,
            "engine.role_arn": weed.ROLE_ARN,
        },
        environment={
            "KS_S3_ACCESS_KEY_ID": own.access_key_id,
            "KS_S3_SECRET_ACCESS_KEY": own.secret_access_key,
        },
    )
    with open_engine(settings) as opened:
        assert isinstance(opened, S3Engine)
        assert opened.check() is None


def test_a_policy_without_statement_never_leaves(engine: SeaweedEngine) -> None:
    with pytest.raises(ValueError, match="empty session policy"):
        engine.assume({"Version": "2012-10-17", "Statement": []}, "somebody", MIN_DURATION)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"access_key_id": "nobody"}, "refuses the server's keys"),
        ({"secret_access_key": "wrong"}, "refuses the server's keys"),
        ({"role_arn": "arn:aws:iam::000000000000:role/none"}, "no temporary credentials"),
    ],
)
def test_wrong_keys_and_roles_are_refused(
    engine: SeaweedEngine, changes: dict[str, str], named: str
) -> None:
    error = refusal(settings_of(engine, **changes))
    assert isinstance(error, ConfigurationError)
    assert named in error.message
    assert engine.credentials.secret_access_key not in error.message


def test_a_missing_bucket_is_named(engine: SeaweedEngine) -> None:
    error = refusal(settings_of(engine), "other-bucket")
    assert isinstance(error, ConfigurationError)
    assert "'other-bucket'" in error.message


def test_an_s3_that_does_not_answer_is_unavailable(engine: SeaweedEngine) -> None:
    nowhere = f"http://127.0.0.1:{choose_ports().s3}"
    error = refusal(settings_of(engine, endpoint=nowhere))
    assert isinstance(error, UnavailableError)
    assert nowhere in error.message


def test_a_role_that_temporary_keys_can_take_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weed, "_SERVER_ARN", "*")
    with SeaweedEngine(tmp_path) as engine:
        error = refusal(settings_of(engine))
    assert isinstance(error, ConfigurationError)
    assert "take the role" in error.message
    assert "trust policy" in str(error.hint)


@pytest.fixture
def without_sts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SeaweedEngine]:
    whole = weed.arguments

    def arguments(*given: Any, **more: Any) -> list[str]:
        return [each for each in whole(*given, **more) if not each.startswith("-s3.iam.config=")]

    monkeypatch.setattr(weed, "arguments", arguments)
    with SeaweedEngine(tmp_path) as engine:
        yield engine


def test_an_s3_without_sts_is_refused(without_sts: SeaweedEngine) -> None:
    error = refusal(settings_of(without_sts))
    assert isinstance(error, ConfigurationError)
    assert "no temporary credentials" in error.message
    assert "AssumeRole" in (error.hint or "")
    assert not without_sts.store.list(f"{FOLDER}/").collect()


def ignores_condition(exchange: Exchange) -> tuple[int, bytes]:
    return (200, b"") if exchange.status == 412 else (exchange.status, exchange.answer)


def ignores_condition_in_races(exchange: Exchange) -> tuple[int, bytes]:
    if "race" in exchange.path:
        return ignores_condition(exchange)
    return exchange.status, exchange.answer


def never_creates(exchange: Exchange) -> tuple[int, bytes]:
    if exchange.method == "PUT" and "create" in exchange.path:
        return 412, b""
    return exchange.status, exchange.answer


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (ignores_condition, "does not honour If-None-Match"),
        (ignores_condition_in_races, "4 of 4 racing writers"),
        (never_creates, "does not honour If-None-Match"),
    ],
)
def test_an_s3_without_conditional_put_is_refused(
    engine: SeaweedEngine, spoil: Spoil, named: str
) -> None:
    with spoiled(engine.credentials.endpoint, spoil) as endpoint:
        error = refusal(settings_of(engine, endpoint=endpoint))
    assert isinstance(error, ConfigurationError)
    assert named in error.message


def test_an_sts_that_ignores_the_session_policy_is_refused(engine: SeaweedEngine) -> None:
    def ignores_policy(exchange: Exchange) -> tuple[int, bytes]:
        assert "Policy" in form(exchange)
        everything = {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}
        wide = engine.assume({"Version": "2012-10-17", "Statement": [everything]}, "wide", 900)
        answer = exchange.answer.decode()
        for tag, value in (
            ("AccessKeyId", wide.access_key_id),
            ("SecretAccessKey", wide.secret_access_key),
            ("SessionToken", wide.session_token),
        ):
            head, _, rest = answer.partition(f"<{tag}>")
            answer = f"{head}<{tag}>{value}</{tag}>{rest.partition(f'</{tag}>')[2]}"
        return exchange.status, answer.encode()

    with spoiled(engine.credentials.endpoint, ignores_policy) as endpoint:
        error = refusal(settings_of(engine, sts_endpoint=endpoint))
    assert isinstance(error, ConfigurationError)
    assert "beyond their session policy" in error.message


def test_a_failing_engine_is_unavailable_and_not_misjudged(engine: SeaweedEngine) -> None:
    def fails(exchange: Exchange) -> tuple[int, bytes]:
        return (500, b"") if exchange.method == "POST" else (exchange.status, exchange.answer)

    with spoiled(engine.credentials.endpoint, fails) as endpoint:
        error = refusal(settings_of(engine, sts_endpoint=endpoint))
    assert isinstance(error, UnavailableError)
    assert "500" in error.message


def test_clients_are_given_the_public_endpoint_and_the_server_keeps_its_own(
    engine: SeaweedEngine, space: str
) -> None:
    with spoiled(engine.credentials.endpoint) as public:
        standing = S3Engine.connect(settings_of(engine, public_endpoint=public), "klarity")
        assert standing.credentials.endpoint == engine.credentials.endpoint
        policy = compile_policy("klarity", read=[f"{space}/"], write=[f"{space}/"])
        given = standing.assume(policy, "somebody", MIN_DURATION)
        assert given.endpoint == public
        open_store(given).put(f"{space}/x", b"through the proxy")
        assert bytes(engine.store.get(f"{space}/x").bytes()) == b"through the proxy"
