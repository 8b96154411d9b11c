"""Who is measured, and by which command each does an operation."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from place import BUCKET, Place

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Contender:
    """Commands to push a folder under a name, and to pull it into another."""

    name: str
    place: Place
    stores = True
    """Whether a push ends in the engine."""
    slow = False
    """Whether it takes minutes where others take seconds: it is then measured in one round."""

    def prepare(self, name: str, folder: Path) -> None:
        """What need not be timed before the first push."""

    def push(self, name: str, folder: Path) -> list[str]:
        raise LookupError(self.name)

    def pull(self, name: str, folder: Path) -> list[str]:
        raise LookupError(self.name)

    def warm_pull(self, name: str, folder: Path, tree: Path) -> list[str]:
        """Write into a folder what this machine has already; done twice, the first is not timed."""
        raise LookupError(self.name)

    def forget(self, name: str) -> None:
        """Let the next round be as the first."""


class KlarityStorage(Contender):
    def push(self, name: str, folder: Path) -> list[str]:
        return [_ks(), "push", f"bench/datasets/{name}", str(folder)]

    def pull(self, name: str, folder: Path) -> list[str]:
        return [_ks(), "pull", f"bench/datasets/{name}", str(folder)]

    def warm_pull(self, name: str, folder: Path, tree: Path) -> list[str]:
        return [*self.pull(name, folder), "--keep"]

    def forget(self, name: str) -> None:
        shutil.rmtree(self.place.env["KS_CACHE"], ignore_errors=True)


class Obstore(Contender):
    """The limit of the library that carries the bytes: every file an object, nothing verified."""

    def push(self, name: str, folder: Path) -> list[str]:
        return self._run("put", folder, name)

    def pull(self, name: str, folder: Path) -> list[str]:
        return self._run("get", folder, name)

    def _run(self, verb: str, folder: Path, name: str) -> list[str]:
        script = str(HERE / "peers" / "obstore_put.py")
        return [sys.executable, script, verb, str(folder), BUCKET, f"obstore/{name}"]


class TarStream(Contender):
    """The limit of the engine: one object."""

    def push(self, name: str, folder: Path) -> list[str]:
        return self._run("put", folder, name)

    def pull(self, name: str, folder: Path) -> list[str]:
        return self._run("get", folder, name)

    def _run(self, verb: str, folder: Path, name: str) -> list[str]:
        script = str(HERE / "peers" / "tar_stream.py")
        return [sys.executable, script, verb, str(folder), BUCKET, f"tar/{name}"]


class Copy(Contender):
    """The limit of the disk: ``cp -r``."""

    stores = False

    def warm_pull(self, name: str, folder: Path, tree: Path) -> list[str]:
        return ["cp", "-r", str(tree), str(folder)]


class Sha256(Contender):
    """The limit of one core: SHA-256 of every file, and nothing else."""

    stores = False

    def push(self, name: str, folder: Path) -> list[str]:
        return ["sh", "-c", f"find {folder} -type f -print0 | xargs -0 sha256sum > /dev/null"]


class S5cmd(Contender):
    def push(self, name: str, folder: Path) -> list[str]:
        return [*self._command(), "sync", f"{folder}/", f"s3://{BUCKET}/s5cmd/{name}/"]

    def pull(self, name: str, folder: Path) -> list[str]:
        return [*self._command(), "cp", f"s3://{BUCKET}/s5cmd/{name}/*", f"{folder}/"]

    def _command(self) -> list[str]:
        endpoint = self.place.env["AWS_ENDPOINT_URL"]
        return [str(self.place.peers / "s5cmd"), "--log", "error", "--endpoint-url", endpoint]


class Rclone(Contender):
    slow = True

    def push(self, name: str, folder: Path) -> list[str]:
        return self._sync(str(folder), f"bench:{BUCKET}/rclone/{name}")

    def pull(self, name: str, folder: Path) -> list[str]:
        return self._sync(f"bench:{BUCKET}/rclone/{name}", str(folder))

    def _sync(self, source: str, target: str) -> list[str]:
        rclone = str(self.place.peers / "rclone")
        return [rclone, "sync", "--quiet", "--transfers=16", "--checkers=16", source, target]


class Boto3(Contender):
    slow = True

    def push(self, name: str, folder: Path) -> list[str]:
        return self._run("put", folder, name)

    def pull(self, name: str, folder: Path) -> list[str]:
        return self._run("get", folder, name)

    def _run(self, verb: str, folder: Path, name: str) -> list[str]:
        script = str(HERE / "peers" / "boto3_put.py")
        python = str(self.place.peers / "python")
        return [python, script, verb, str(folder), BUCKET, f"boto3/{name}/"]


class Dvc(Contender):
    """DVC keeps its cache in the folder's repository, so that a pull goes to a second one."""

    slow = True

    def prepare(self, name: str, folder: Path) -> None:
        self._init(folder.parent, name)

    def push(self, name: str, folder: Path) -> list[str]:
        dvc = self.place.peers / "dvc"
        steps = f"{dvc} add --quiet {folder.name} && {dvc} push --quiet"
        return ["sh", "-c", f"cd {folder.parent} && {steps}"]

    def pull(self, name: str, folder: Path) -> list[str]:
        repository = folder / "repository"
        repository.mkdir(parents=True)
        self._init(repository, name)
        source = self.place.work / f"dvc-{name}" / "tree.dvc"
        (repository / "tree.dvc").write_bytes(source.read_bytes())
        return ["sh", "-c", f"cd {repository} && {self.place.peers / 'dvc'} pull --quiet"]

    def _init(self, folder: Path, name: str) -> None:
        dvc = str(self.place.peers / "dvc")
        for command in (
            [dvc, "init", "--no-scm", "--quiet"],
            [dvc, "remote", "add", "--quiet", "-d", "s3", f"s3://{BUCKET}/dvc/{name}"],
            [dvc, "remote", "modify", "s3", "endpointurl", self.place.env["AWS_ENDPOINT_URL"]],
            [dvc, "config", "core.analytics", "false"],
        ):
            subprocess.run(command, cwd=folder, check=True)


class Mlflow(Contender):
    slow = True

    def push(self, name: str, folder: Path) -> list[str]:
        script = str(HERE / "peers" / "mlflow_log.py")
        records = str(self.place.work / "mlflow")
        location = f"s3://{BUCKET}/mlflow/{name}"
        return [str(self.place.peers / "python"), script, str(folder), location, records]


CONTENDERS: dict[str, type[Contender]] = {
    "ks": KlarityStorage,
    "tar": TarStream,
    "obstore": Obstore,
    "cp": Copy,
    "sha256": Sha256,
    "s5cmd": S5cmd,
    "rclone": Rclone,
    "boto3": Boto3,
    "dvc": Dvc,
    "mlflow": Mlflow,
}


def _ks() -> str:
    return str(Path(sys.executable).with_name("ks"))
