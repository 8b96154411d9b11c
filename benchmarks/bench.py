"""`make bench`: versions against their peers, on one engine, in turns; ratios of medians.

Every operation is a whole command, so that what users wait for is measured: interpreters that
start, connections that open. Peers live in an environment of their own.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import boto3

import klarity_storage as ks
from contenders import BUCKET, CONTENDERS, Contender, Place
from klarity_storage.server.engines.seaweed import SeaweedEngine
from measure import Row, run
from workloads import LARGE, SMALL, Workload, fresh_copy

RESULTS = Path(__file__).parent / "RESULTS.md"


def main() -> None:
    options = _options()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="ks-bench-", dir=options.dir) as folder:
        work = Path(folder)
        with _engine_and_server(work) as env:
            place = Place(work, options.peers.absolute(), env)
            chosen = [CONTENDERS[name](name, place) for name in options.contenders]
            for workload in (SMALL, LARGE):
                rows += _measure(workload, chosen, options, work)
    report = _report(rows, options)
    print(report)
    if options.write:
        RESULTS.write_text(report)


def _measure(
    workload: Workload, chosen: list[Contender], options: argparse.Namespace, work: Path
) -> list[Row]:
    """Every operation in every round by every contender: rounds outside, contenders inside."""
    original = work / workload.name
    workload.make(original, options.scale)
    rows = {
        operation: Row(f"{workload.name} {operation}")
        for operation in ("first push", "cold pull", "push unchanged", "push after the edit")
    }
    for number in range(options.rounds):
        trees = {}
        for contender in chosen:
            home = work / f"{contender.name}-{workload.name}-{number}".lower()
            trees[contender.name] = fresh_copy(original, home / "tree")
            contender.prepare(_name(workload, number), trees[contender.name])
        for operation, row in rows.items():
            if operation == "push after the edit":
                for tree in trees.values():
                    workload.edit(tree, number)
            for contender in chosen:
                _once(row, operation, contender, _name(workload, number), trees[contender.name])
        for contender in chosen:
            shutil.rmtree(trees[contender.name].parent)
    shutil.rmtree(original)
    return list(rows.values())


def _name(workload: Workload, number: int) -> str:
    return f"{workload.name}-{number}".lower()


def _once(row: Row, operation: str, contender: Contender, name: str, tree: Path) -> None:
    """Do and time one operation, where the contender has it."""
    with tempfile.TemporaryDirectory(prefix="ks-bench-", dir="/dev/shm") as memory:
        target = Path(memory) / "out"
        try:
            if operation == "cold pull":
                command = contender.pull(name, target)
            else:
                command = contender.push(name, tree)
        except LookupError:
            return
        subprocess.run(
            ["sync"], check=True
        )  # what the last one wrote is not this one's to wait for
        done = run(command, cwd=contender.place.work, env=contender.place.env)
        row.runs.setdefault(contender.name, []).append(done)


@contextmanager
def _engine_and_server(work: Path) -> Iterator[dict[str, str]]:
    """One engine for all, and a server over it; the environment that everybody gets."""
    with SeaweedEngine(work / "engine") as engine:
        keys = engine.credentials
        env = {
            "AWS_ENDPOINT_URL": keys.endpoint,
            "AWS_ACCESS_KEY_ID": keys.access_key_id,
            "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
            "AWS_REGION": keys.region,
            "AWS_DEFAULT_REGION": keys.region,
            "RCLONE_CONFIG_BENCH_TYPE": "s3",
            "RCLONE_CONFIG_BENCH_PROVIDER": "Other",
            "RCLONE_CONFIG_BENCH_ENDPOINT": keys.endpoint,
            "RCLONE_CONFIG_BENCH_ENV_AUTH": "true",
            "KS_CACHE": str(work / "cache"),
            "HOME": str(work),
            "MLFLOW_ALLOW_FILE_STORE": "true",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DVC_NO_ANALYTICS": "true",
        }
        s3 = boto3.client(
            "s3",
            endpoint_url=keys.endpoint,
            region_name=keys.region,
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
        )
        s3.create_bucket(Bucket=BUCKET)
        with _server(work, keys.access_key_id, keys.secret_access_key, keys.endpoint) as found:
            yield env | found


@contextmanager
def _server(work: Path, key: str, secret: str, endpoint: str) -> Iterator[dict[str, str]]:
    command = [Path(sys.executable).with_name("ks"), "serve", "--data", work / "server"]
    command += ["--port", "0", "--engine", "s3", "--endpoint", endpoint]
    command += ["--role-arn", "arn:aws:iam::000000000000:role/klarity"]
    keys = {"KS_S3_ACCESS_KEY_ID": key, "KS_S3_SECRET_ACCESS_KEY": secret}
    with subprocess.Popen(
        [str(part) for part in command], env=os.environ | keys, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        said = ""
        for line in process.stderr:
            said += line
            if line == "ready\n":
                break
        else:
            sys.exit(f"The server did not start:\n{said}")
        words = said.split()
        address = next(word for word in words if word.startswith("http://"))
        token = next(word for word in words if word.startswith("ks_"))
        with ks.connect(address, token=token) as storage:
            storage.create_space("bench")
        try:
            yield {"KS_URL": address, "KS_TOKEN": token}
        finally:
            process.terminate()


def _report(rows: list[Row], options: argparse.Namespace) -> str:
    """A table of medians in seconds, and of ratios to the first contender's."""
    machine = f"{os.cpu_count()} cores, {platform.platform()}, Python {platform.python_version()}"
    lines = [
        "# Versions against their peers",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {machine}, scale {options.scale}: medians of",
        f"{options.rounds} interleaved rounds of whole commands, on the embedded engine of this",
        "machine. Seconds; how many times as long as Klarity Storage; peak memory in MB.",
        "",
    ]
    for row in rows:
        names = [name for name in options.contenders if name in row.runs]
        lines += [
            f"## {row.operation}",
            "",
            "| | seconds | to ks | MB |",
            "|---|---:|---:|---:|",
        ]
        for name in names:
            ratio = row.median(name) / row.median("ks") if "ks" in names else float("nan")
            lines.append(
                f"| {name} | {row.median(name):.2f} | {ratio:.2f} | {row.memory(name) / 1e6:.0f} |"
            )
        lines.append("")
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, required=True, help="bin folder of the peers")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the data")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", type=Path, help="where the data and the engine lie")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    parser.add_argument("contenders", nargs="*", default=list(CONTENDERS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
