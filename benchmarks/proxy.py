"""What rights and a cache cost in nginx: `python benchmarks/proxy.py`.

A cached file through nginx as `ks proxy config` sets it up, with a decision for its caller, against
the same file as nginx, set up as Debian does, serves it from a folder to everybody. Both are asked
by wrk and take turns, so that they meet the same machine. What processor time nginx takes is told
beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import klarity_storage as ks
from klarity_storage.server.engines.ports import choose_ports

MIB = 1 << 20
SMALL, LARGE = 4096, 256 * MIB

STATIC = """
worker_processes auto;
worker_rlimit_nofile 32768;
user {user};
pid {folder}/static.pid;
error_log {folder}/static.log crit;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    server_tokens off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 10000;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    server {{ listen 127.0.0.1:{port}; root {folder}/tree; }}
}}
"""

# the token comes from the environment: everybody reads the arguments of a process
SCRIPT = """
wrk.headers["Authorization"] = "Bearer " .. os.getenv("KS_TOKEN")
done = function(summary)
  local e = summary.errors
  io.write(string.format('{"requests": %d, "bytes": %d, "seconds": %f, "errors": %d}\\n',
    summary.requests, summary.bytes, summary.duration / 1e6,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True)
class Load:
    """What wrk got in one turn."""

    requests: int
    bytes: int
    seconds: float
    errors: int
    cpu: float
    """Seconds of processor that nginx has used for it."""


@dataclass(frozen=True)
class Place:
    """Both ways to the same files."""

    cached: str
    static: str
    script: Path
    token: str
    masters: dict[str, int]
    """The processes that began each nginx, by the beginning of its addresses."""

    def cpu(self, url: str) -> float:
        """Seconds of processor that the workers of an nginx have used."""
        master = next(pid for begin, pid in self.masters.items() if url.startswith(begin))
        workers = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        stats = [
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in workers
        ]
        ticks = sum(int(stat[11]) + int(stat[12]) for stat in stats)
        return ticks / os.sysconf("SC_CLK_TCK")

    def rate(self, url: str, *, connections: int, seconds: int) -> Load:
        """What is answered to so many connections at once."""
        before = self.cpu(url)
        done = subprocess.run(
            [
                *("wrk", "-t2", f"-c{connections}", f"-d{seconds}", "--timeout", "30s"),
                *("-s", str(self.script), url),
            ],
            env=os.environ | {"KS_TOKEN": self.token},
            capture_output=True,
            text=True,
            check=True,
        )
        told = json.loads(done.stdout.splitlines()[-1])
        if told["errors"] or not told["bytes"]:
            sys.exit(f"{url}: {done.stdout}")
        return Load(**told, cpu=self.cpu(url) - before)


@contextmanager
def nginx(config: Path, port: int) -> Iterator[int]:
    """nginx in a group of its own, from when it takes connections."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    command = [str(program), "-c", str(config), "-g", "daemon off;"]
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except ConnectionRefusedError:
                    if process.poll() is not None:
                        sys.exit("nginx does not start")
                    time.sleep(0.02)
            yield process.pid
        finally:
            os.killpg(process.pid, signal.SIGTERM)


@contextmanager
def serving(data: Path, port: int) -> Iterator[str]:
    """A server, and its administrator's token."""
    log = data.with_suffix(".log")
    command = [str(Path(sys.executable).with_name("ks")), "serve", "--data", str(data)]
    with log.open("wb") as sink, subprocess.Popen(command, stderr=sink) as process:
        try:
            while "\nready" not in (said := log.read_text()):
                if process.poll() is not None:
                    sys.exit(f"The server did not start on port {port}:\n{said}")
                time.sleep(0.02)
            yield next(word for word in said.split() if word.startswith("ks_"))
        finally:
            process.terminate()


@contextmanager
def both(work: Path, large: int) -> Iterator[Place]:
    """A server with nginx before it, and an nginx that serves the same files from a folder."""
    ports, data, tree = choose_ports(), work / "data", work / "tree"
    server, cached, static = ports.master, ports.volume, ports.filer
    for made in (data, tree):
        made.mkdir()
    (tree / "small").write_bytes(os.urandom(SMALL))
    with (tree / "large").open("wb") as file:
        for _ in range(large // MIB):
            file.write(os.urandom(MIB))
    (data / "klarity.toml").write_text(
        f'[server]\nport = {server}\ntrusted_proxies = ["127.0.0.1"]\n'
        f'[log]\nlevel = "warning"\n[proxy]\naddress = "http://127.0.0.1:{cached}"\n'
    )
    user = f"{tree.owner()} {tree.group()}"
    (work / "static.conf").write_text(STATIC.format(folder=work, port=static, user=user))
    command = [str(Path(sys.executable).with_name("ks")), "proxy", "config", "--data", str(data)]
    written = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    (work / "nginx.conf").write_bytes(written.stdout)
    script = work / "token.lua"
    script.write_text(SCRIPT)
    with (
        nginx(work / "nginx.conf", cached) as cache,
        nginx(work / "static.conf", static) as folder,
        serving(data, server) as token,
        ks.connect(f"http://127.0.0.1:{cached}", token=token) as storage,
    ):
        storage.create_space("bench")
        version = storage.push("bench/models/net", tree)
        ways = f"http://127.0.0.1:{cached}", f"http://127.0.0.1:{static}"
        root = f"{ways[0]}/files/{version.name}/{version.hash}"
        masters = dict(zip(ways, (cache, folder), strict=True))
        yield Place(root, ways[1], script, token, masters)


def measure(place: Place, *, rounds: int, seconds: int) -> dict[str, float]:
    """The medians of rates, and how they and the processor time compare."""
    found: dict[str, float] = {}
    for name, connections, unit in (("small", 32, "answers_s"), ("large", 4, "mib_s")):
        ways = {"cached": f"{place.cached}/{name}", "static": f"{place.static}/{name}"}
        for url in ways.values():  # into the cache, and into memory
            place.rate(url, connections=connections, seconds=2)
        turns: dict[str, list[Load]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, url in ways.items():
                turns[way].append(place.rate(url, connections=connections, seconds=seconds))

        def done(load: Load, unit: str = unit) -> float:
            return load.requests if unit == "answers_s" else load.bytes / MIB

        rates = {w: statistics.median(done(t) / t.seconds for t in turns[w]) for w in ways}
        costs = {w: statistics.median(t.cpu / done(t) for t in turns[w]) for w in ways}
        found[f"{name}_rate"] = rates["cached"] / rates["static"]
        found[f"{name}_rate_by_processor"] = costs["static"] / costs["cached"]
        found |= {f"{name}_{way}_{unit}": rate for way, rate in rates.items()}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", type=int, default=LARGE, help="bytes of the large file")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3, help="of each turn")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ks-proxy-") as work:
        os.environ["HOME"] = work
        os.environ["KS_CACHE"] = f"{work}/cache"
        with both(Path(work), chosen.large) as place:
            found = measure(place, rounds=chosen.rounds, seconds=chosen.seconds)
    print(json.dumps({name: round(value, 3) for name, value in found.items()}, indent=2))


if __name__ == "__main__":
    main()
