"""One name of a million files: what stays interactive, and in how much memory.

Whole commands and calls of the library, on a directory and on a server with the embedded engine.
The version is laid down directly, a pack and a manifest; ``--push`` pushes it from a tmpfs, too.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pyarrow as pa

import klarity_storage as ks
from klarity_storage.client.backend import Backend
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.versions import CommitRequest
from klarity_storage.versions.arrays import list_array, number_array, text_array
from klarity_storage.versions.manifest import SCHEMA, Manifest
from measure import Run, run

NAME = Name("bench", Kind.DATASETS, "million")
FOLDER_FILES = 1000
KS = str(Path(sys.executable).with_name("ks"))


@dataclass(frozen=True)
class Place:
    """Where a version lies: a directory, or a server."""

    title: str
    url: str
    env: dict[str, str]
    server: int | None = None
    """The process of the server."""


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="ks-scale-", dir=options.dir) as folder:
        work = Path(folder)
        os.environ["KS_CACHE"] = str(work / "cache")
        with _places(work, options.where) as places:
            for place in places:
                print(f"\n## {place.title}, {options.files:,} files\n", flush=True)
                if options.push:
                    _measure_push(place, work, options.files)
                with ks.connect(place.url) as storage:
                    backend = storage._backend  # noqa: SLF001 - lies down what a push would
                    edited = _lay_both(place, backend, options.files)
                _measure_commands(place, work, edited, options.rounds)
                _measure_library(place, work, edited, options.rounds)
                if options.hold:
                    input(f"{place} is up; Enter ends it.")


def content(number: int, edition: int = 0) -> bytes:
    """The bytes of a file: a line that tells it from all others."""
    return f"file {number:09} of edition {edition}\n".encode()


def path_of(number: int) -> str:
    return f"part-{number // FOLDER_FILES:04}/sample-{number:07}.txt"


def _lay_both(place: Place, backend: Backend, files: int) -> list[int]:
    """A version, and one of which a hundredth is other; return the numbers of those files."""
    edited = sorted(random.Random(1).sample(range(files), max(1, files // 100)))
    editions = [0] * files
    lay(place, backend, editions)
    for number in edited:
        editions[number] = 1
    lay(place, backend, editions)
    return edited


def lay(place: Place, backend: Backend, editions: list[int]) -> None:
    """Upload packs and a manifest, and commit them."""
    texts = [content(number, edition) for number, edition in enumerate(editions)]
    digests = [hashlib.sha256(text).hexdigest() for text in texts]
    packs = b"".join(texts)
    paths = list(map(path_of, range(len(texts))))
    digest = hashlib.sha256()
    for sha256, text, path in zip(digests, texts, paths, strict=True):
        digest.update(f"{sha256} {len(text)} {path}\n".encode())
    version = digest.hexdigest()
    folder = backend.place(NAME, version).folder or version
    store = backend.writing_store(NAME, folder)
    key = f"{folder}/_ks/pack-{hashlib.sha256(packs).hexdigest()}.bin"
    store.put(NAME.object_key(key), packs)
    manifest, data = Manifest(_columns(texts, digests, paths, key)).encode()
    store.put(NAME.manifest_key(folder, manifest), data)
    request = CommitRequest(version=version, manifest=manifest, write_id=uuid4().hex)
    print(f"manifest: {len(data) / 1e6:.1f} MB", flush=True)
    with _watched(place, "commit"):
        backend.commit(NAME, request)


def _columns(texts: list[bytes], digests: list[str], paths: list[str], key: str) -> pa.Table:
    sizes = list(map(len, texts))
    offsets, at = [], 0
    for size in sizes:
        offsets.append(at)
        at += size
    kind = SCHEMA.field("extents").type
    extents = pa.StructArray.from_arrays(
        [text_array(key for _ in texts), number_array(offsets), number_array(sizes)],
        fields=list(kind.value_type),
    )
    return pa.Table.from_arrays(
        [
            text_array(paths),
            number_array(sizes),
            text_array(digests),
            text_array("text/plain" for _ in texts),
            list_array(extents, (1 for _ in texts), kind),
        ],
        schema=SCHEMA,
    )


def _measure_push(place: Place, work: Path, files: int) -> None:
    tree = Path(tempfile.mkdtemp(prefix="ks-scale-", dir="/dev/shm"))
    try:
        for number in range(files):
            file = tree / path_of(number)
            if not number % FOLDER_FILES:
                file.parent.mkdir()
            file.write_bytes(content(number, 2))
        target = "bench/datasets/pushed"
        with _watched(place, "push: the server meanwhile"):
            _told("push, first", [_run(place, work, "push", target, str(tree))])
        _told("push, nothing changed", [_run(place, work, "push", target, str(tree))])
        for number in range(0, files, 100):
            (tree / path_of(number)).write_bytes(content(number, 3))
        _told("push, 1 % changed", [_run(place, work, "push", target, str(tree))])
    finally:
        shutil.rmtree(tree)


def _measure_commands(place: Place, work: Path, edited: list[int], rounds: int) -> None:
    one = path_of(edited[0])
    commands = {
        "ls": ["ls", f"{NAME}@latest"],
        "ls --json": ["--json", "ls", f"{NAME}@latest"],
        "ls --long": ["ls", "--long", f"{NAME}@latest"],
        "ls --folder, of the top": ["ls", "--folder", f"{NAME}@latest"],
        "ls of one folder": ["ls", f"ks://{NAME}@latest/{one.partition('/')[0]}"],
        "diff, 1 % changed": ["diff", f"{NAME}@{_before(place)}", f"{NAME}@latest"],
        "diff --json": ["--json", "diff", f"{NAME}@{_before(place)}", f"{NAME}@latest"],
        "pull one file": ["pull", f"ks://{NAME}@latest/{one}", "OUT"],
        "pull one folder": ["pull", f"ks://{NAME}@latest/{one.partition('/')[0]}", "OUT"],
        "pull --include one file": ["pull", f"{NAME}@latest", "OUT", "--include", one],
        "whoami (nothing)": ["whoami"],
    }
    for title, command in commands.items():
        runs = []
        for number in range(rounds):
            out = work / f"out-{title}-{number}"
            runs.append(_run(place, work, *(str(out) if p == "OUT" else p for p in command)))
            shutil.rmtree(out, ignore_errors=True)
        _told(f"ks {title}", runs)


def _measure_library(place: Place, work: Path, edited: list[int], rounds: int) -> None:
    """Each call in a process of its own, without the imports and the connection."""
    one = path_of(edited[0])
    calls = {
        "version.files()": "version.files()",
        "version.folder()": "version.folder()",
        "version.open(path).read()": f"version.open({one!r}).read()",
        "version.open(path).read(), again": f"version.open({one!r}).read()",
        "storage.diff": f"storage.diff(ref + {'@' + _before(place)!r}, ref)",
    }
    for title, call in calls.items():
        script = f"""
import time, klarity_storage as ks
ref = {str(NAME)!r}
with ks.connect({place.url!r}) as storage:
    version = storage.get_version(ref)
    {call if "again" in title else ""}
    begin = time.perf_counter()
    {call}
    open("seconds", "w").write(str(time.perf_counter() - begin))
"""
        runs = []
        for _ in range(rounds):
            whole = run([sys.executable, "-c", script], cwd=work, env=place.env)
            runs.append(Run(float((work / "seconds").read_text()), whole.memory))
        _told(title, runs)


def _before(place: Place) -> str:
    with ks.connect(place.url) as storage:
        return storage.get_versions(str(NAME))[1].hash


def _run(place: Place, work: Path, *command: str) -> Run:
    return run([KS, *command], cwd=work, env=place.env)


def _told(title: str, runs: list[Run]) -> None:
    seconds = statistics.median(each.seconds for each in runs)
    memory = max(each.memory for each in runs) / 1e6
    print(f"{title:36} {seconds:8.2f} s {memory:8.0f} MB", flush=True)


@contextmanager
def _watched(place: Place, title: str) -> Iterator[None]:
    """What the server needs meanwhile, and how long others wait for it."""
    if place.server is None:
        begin = time.perf_counter()
        yield
        print(f"{title:36} {time.perf_counter() - begin:8.2f} s", flush=True)
        return
    Path(f"/proc/{place.server}/clear_refs").write_text("5")
    waits: list[float] = []
    ended = threading.Event()
    bearer = {"Authorization": f"Bearer {place.env['KS_TOKEN']}"}

    def ask() -> None:
        with httpx.Client(headers=bearer) as client:
            while not waits or not ended.wait(0.02):
                begin = time.perf_counter()
                client.get(f"{place.url}/v1/spaces").raise_for_status()
                waits.append(time.perf_counter() - begin)

    thread = threading.Thread(target=ask)
    thread.start()
    begin = time.perf_counter()
    try:
        yield
    finally:
        seconds = time.perf_counter() - begin
        ended.set()
        thread.join()
    status = Path(f"/proc/{place.server}/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line)
    print(
        f"{title:36} {seconds:8.2f} s {peak / 1e3:8.0f} MB of the server; others wait "
        f"{statistics.median(waits) * 1e3:.0f} ms, {max(waits) * 1e3:.0f} ms at most",
        flush=True,
    )


@contextmanager
def _places(work: Path, where: str) -> Iterator[Iterator[Place]]:
    def places() -> Iterator[Place]:
        if where in {"both", "directory"}:
            url = str(work / "store")
            (work / "store").mkdir()
            yield Place("A directory", url, {"KS_URL": url})
        if where in {"both", "server"}:
            with _server(work) as place:
                yield place

    yield places()


@contextmanager
def _server(work: Path) -> Iterator[Place]:
    command = [KS, "serve", "--data", str(work / "server"), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        words: list[str] = []
        for line in process.stderr:
            words += line.split()
            if line == "ready\n":
                break
        else:
            sys.exit(f"The server did not start: {' '.join(words)}")
        threading.Thread(target=process.stderr.read, daemon=True).start()
        address = next(word for word in words if word.startswith("http://"))
        token = next(word for word in words if word.startswith("ks_"))
        os.environ["KS_TOKEN"] = token
        with ks.connect(address, token=token) as storage:
            storage.create_space("bench")
        try:
            yield Place("A server", address, {"KS_URL": address, "KS_TOKEN": token}, process.pid)
        finally:
            process.terminate()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--where", choices=["both", "directory", "server"], default="both")
    parser.add_argument("--dir", type=Path, help="where stores and engine lie")
    parser.add_argument("--push", action="store_true", help="push from a tmpfs, too")
    parser.add_argument("--hold", action="store_true", help="wait before ending")
    return parser.parse_args()


if __name__ == "__main__":
    main()
