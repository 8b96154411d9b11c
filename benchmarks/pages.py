"""What a page waits for a table: `python benchmarks/pages.py`.

A table of 5,000,000 rows in twelve columns, 200 MB, read by the TypeScript client in Chromium: its
first 50 rows, 100 rows by key, and two columns whole, by the server's query and straight from the
files, the latter beside parquet-wasm. Each in a new profile, in turns; then once over a link of
20 Mbit/s and 40 ms. Requests and bytes are all that the page asks for, with the preflights that a
page of another origin needs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import klarity_storage as ks
from klarity_storage.server.engines.seaweed import SeaweedEngine
from place import serving

ROWS = 5_000_000
CLIENT = Path(__file__).parents[1] / "js" / "client"
ASKED = [
    ("first", "auto"), ("first", "parquet"),
    ("key", "server"), ("key", "parquet"),
    ("columns", "parquet"), ("columns", "wasm"), ("columns", "server"),
]  # fmt: skip


def table(rows: int) -> pa.Table:
    """Some 40 bytes a row as ZSTD."""
    rng = np.random.default_rng(7)
    labels = pa.array([f"label-{number:03}" for number in range(300)])
    paths = pa.array([f"scans/{number:04}/overlay.png" for number in range(5000)])
    return pa.table(
        {
            "id": np.arange(rows),
            "score": rng.random(rows),
            "at": np.datetime64("2026-01-01", "us") + np.arange(rows) * 1_000_003,
            "label": labels.take(pa.array(rng.integers(0, 300, rows))),
            "person": rng.integers(0, 1_000_000, rows, dtype=np.int32),
            "width": rng.integers(0, 4096, rows, dtype=np.int16),
            "height": rng.integers(0, 4096, rows, dtype=np.int16),
            "loss": rng.random(rows, dtype=np.float32),
            "noise": rng.integers(0, 1 << 62, rows),
            "sure": rng.random(rows) > 0.5,
            "path": paths.take(pa.array(rng.integers(0, 5000, rows))),
            "weight": rng.random(rows, dtype=np.float32),
        }
    )


def measure(work: Path, *, rows: int, rounds: int) -> list[dict[str, Any]]:
    """All questions in turns, on a server and an engine of their own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{probe.getsockname()[1]}"
    (work / "server").mkdir()
    settings = f"[files]\norigins = [{json.dumps(origin)}]\n"
    (work / "server" / "klarity.toml").write_text(settings)
    command = [str(Path(sys.executable).with_name("ks")), "serve"]
    with (
        SeaweedEngine(work / "engine") as engine,
        serving(work, engine.credentials, command) as (env, _),
        ks.connect(env["KS_URL"], token=env["KS_TOKEN"]) as storage,
    ):
        storage.push_data_frame("bench/tables/pages", table(rows))
        held = storage.get_data_table("bench", "pages").info
        print(f"{held.rows} rows, {held.bytes / 1e6:.0f} MB, {held.files} files", flush=True)
        asked = [
            {"question": question, "source": source, "slow": False}
            for _ in range(rounds + 1)  # the first warms the server
            for question, source in ASKED
        ]
        asked += [
            {"question": question, "source": source, "slow": True}
            for question, source in ASKED
            if question != "columns"
        ]
        order = {
            "address": env["KS_URL"], "token": env["KS_TOKEN"], "origin": origin, "asked": asked,
            "executable": shutil.which("chromium") or "chromium",
        }  # fmt: skip
        told = subprocess.run(
            ["node", str(Path(__file__).parent / "pages" / "run.js")],
            input=json.dumps(order), stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        found: list[dict[str, Any]] = json.loads(told.stdout)
        return found[len(ASKED) :]


def report(found: list[dict[str, Any]]) -> None:
    """The medians, and what was asked and came."""
    kinds = list(dict.fromkeys((one["question"], one["source"], one["slow"]) for one in found))
    print("| question | by | link | ms | requests | KB |\n|---|---|---|---:|---:|---:|")
    middle: dict[tuple[str, str], float] = {}
    for question, source, slow in kinds:
        kind = (question, source, slow)
        runs = [one for one in found if (one["question"], one["source"], one["slow"]) == kind]
        ms = statistics.median(one["ms"] for one in runs)
        if not slow:
            middle[question, source] = ms
        link = "20 Mbit/s, 40 ms" if slow else "loopback"
        last = runs[-1]
        kilobytes = last["bytes"] / 1e3
        print(
            f"| {question} | {source} | {link} | {ms:.0f} | {last['requests']} | {kilobytes:.0f} |"
        )
    ratio = middle["columns", "parquet"] / middle["columns", "wasm"]
    print(f"\nTwo columns from the files took {ratio:.2f} times parquet-wasm (may be 1.30).")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    if not (CLIENT / "dist" / "worker.js").exists():
        subprocess.run(["npm", "run", "build"], cwd=CLIENT, check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory(prefix="ks-pages-") as work:
        os.environ["HOME"] = work
        os.environ["KS_CACHE"] = f"{work}/cache"
        report(measure(Path(work), rows=chosen.rows, rounds=chosen.rounds))


if __name__ == "__main__":
    main()
