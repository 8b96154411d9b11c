from __future__ import annotations

from pathlib import Path

import pytest

from klarity_storage.errors import ConfigurationError
from klarity_storage.protocol.spaces import Strategy
from klarity_storage.server.settings.read import read_settings
from klarity_storage.server.settings.sections import Settings

FAR = """
[engines.far-east]
endpoint = "https://s3.example.org"
role_arn = "arn:aws:iam::1:role/ks"

[buckets.archive]
engine = "far-east"
bucket = "klarity-archive"
"""
KEYS = {"KS_S3_FAR_EAST_ACCESS_KEY_ID": "key", "KS_S3_FAR_EAST_SECRET_ACCESS_KEY": "hidden-secret"}


def read(folder: Path, text: str, environment: dict[str, str], mode: int = 0o600) -> Settings:
    file = folder / "klarity.toml"
    file.write_text(text)
    file.chmod(mode)
    return read_settings(folder, environment=environment)


def test_buckets_and_engines_are_tables_of_their_own(tmp_path: Path) -> None:
    text = FAR + "[buckets.trials]\nstrategy = 'scratch'\ndays = 30\n"
    settings = read(tmp_path, text, KEYS)
    assert settings.engines["far-east"].kind == "s3"
    assert settings.engines["far-east"].secret_access_key == "hidden-secret"
    archive, trials = settings.buckets["archive"], settings.buckets["trials"]
    assert (archive.engine, archive.bucket, archive.strategy) == (
        "far-east",
        "klarity-archive",
        Strategy.REFERENCE,
    )
    assert (trials.engine, trials.bucket, trials.strategy, trials.days) == (
        "main",
        None,
        Strategy.SCRATCH,
        30,
    )
    assert "hidden-secret" not in repr(settings)


def test_the_keys_of_an_engine_are_its_own(tmp_path: Path) -> None:
    others = {"KS_S3_ACCESS_KEY_ID": "main", "KS_S3_SECRET_ACCESS_KEY": "main"}
    with pytest.raises(ConfigurationError, match=r"engines\.far-east\.access_key_id") as caught:
        read(tmp_path, FAR, others)
    assert "KS_S3_FAR_EAST_ACCESS_KEY_ID" in (caught.value.hint or "")


def test_a_file_with_the_secrets_of_an_engine_is_not_for_others(tmp_path: Path) -> None:
    text = FAR.replace("role_arn", 'secret_access_key = "hidden-secret"\nrole_arn')
    with pytest.raises(ConfigurationError, match="may be read by others"):
        read(tmp_path, text, KEYS, 0o640)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[buckets.main]\n", r"\[buckets.main\] cannot be set"),
        ("[buckets.Trials]\n", r"\[buckets.Trials\] cannot be called so"),
        ("[buckets.trials]\nstrategy = 'scratch'\n", "buckets.trials is a scratch bucket without"),
        ("[buckets.trials]\nstrategy = 'keep'\n", "buckets.trials.strategy is wrong"),
        ("[buckets.trials]\ndays = 3\n", "days has a meaning only with strategy = 'scratch'"),
        ("[buckets.trials]\nstrategy = 'scratch'\ndays = 0\n", "buckets.trials.days is wrong"),
        ("[buckets.site]\npublic = true\n", "public has a meaning only with strategy = 'web'"),
        ("[buckets.ab]\n", "buckets.ab.bucket = 'ab' cannot be the name of a bucket"),
        ("[buckets.klarity]\n", "buckets.klarity and storage.bucket are one bucket"),
        ("[buckets.one]\nbucket='xyz'\n[buckets.two]\nbucket='xyz'\n", "are one bucket"),
        ("[buckets.archive]\nengine = 'far'\n", "'far', and there is no such engine"),
        (FAR.partition("[buckets")[0], "No bucket lies on the engine far-east"),
        ("[engines.far]\nkind = 'seaweed'\n", "engines.far.kind is wrong"),
        (
            FAR.replace("role_arn", "port = 3\nrole_arn"),
            r"engines.far-east.port has a meaning only",
        ),
        (FAR.replace("https://", "ftp://"), "engines.far-east.endpoint is not a URL"),
        (FAR.replace("role_arn", "rolearn"), "There is no setting engines.far-east.rolearn"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        read(tmp_path, text, KEYS)
