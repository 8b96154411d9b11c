"""Versions against their peers: first push, cold pull, nothing changed, the edit, warm pull."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from contenders import Contender
from measure import Row, run
from place import Place
from workloads import Workload, fresh_copy

OPERATIONS = ("first push", "cold pull", "push unchanged", "push after the edit", "warm pull")


def measure_versions(
    workload: Workload, chosen: list[Contender], place: Place, *, scale: float, rounds: int
) -> Iterator[list[Row]]:
    """Every operation in every round by every contender: rounds outside, contenders inside.

    Yields:
        The rows so far, after each round: what was measured is not lost with what was not.
    """
    original = place.work / workload.name
    workload.make(original, scale)
    rows = [Row(f"{workload.name} {operation}") for operation in OPERATIONS]
    for number in range(rounds):
        chosen = [contender for contender in chosen if number == 0 or not contender.slow]
        name = f"{workload.name}-{number}".lower()
        trees = {}
        for contender in chosen:
            home = place.work / f"{contender.name}-{name}"
            trees[contender.name] = fresh_copy(original, home / "tree")
            contender.prepare(name, trees[contender.name])
        for operation, row in zip(OPERATIONS, rows, strict=True):
            if operation == "push after the edit":
                for tree in trees.values():
                    workload.edit(tree, number)
            for contender in chosen:
                _once(row, operation, contender, name, trees[contender.name])
        for contender in chosen:
            shutil.rmtree(trees[contender.name].parent)
            contender.forget(name)
        yield rows
    shutil.rmtree(original)


def _once(row: Row, operation: str, contender: Contender, name: str, tree: Path) -> None:
    """Do and time one operation, where the contender has it."""
    place = contender.place
    with tempfile.TemporaryDirectory(prefix="ks-bench-", dir="/dev/shm") as memory:
        try:
            command = _command(operation, contender, name, tree, Path(memory))
        except LookupError:
            return
        counted = operation == "push after the edit" and contender.stores
        before = place.stored() if counted else 0
        # what the last one wrote is not this one's to wait for
        subprocess.run(["sync"], check=True)
        done = run(command, cwd=place.work, env=place.env)
        row.runs.setdefault(contender.name, []).append(done)
        if counted:
            row.stored.setdefault(contender.name, []).append(place.stored() - before)


def _command(
    operation: str, contender: Contender, name: str, tree: Path, memory: Path
) -> list[str]:
    if operation == "cold pull":
        return contender.pull(name, memory / "out")
    if operation == "warm pull":
        fill, pull = contender.warm_pull(name, memory / "fill", tree), memory / "out"
        subprocess.run(fill, check=True, env=contender.place.env, capture_output=True)
        shutil.rmtree(memory / "fill")
        return contender.warm_pull(name, pull, tree)
    return contender.push(name, tree)
