"""The embedded engine: SeaweedFS as a supervised child process on loopback."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec
from obstore.store import S3Store

from klarity_storage.errors import UnavailableError
from klarity_storage.protocol.credentials import S3Credentials
from klarity_storage.server.engines import weed
from klarity_storage.server.engines.binary import find_weed
from klarity_storage.server.engines.keys import EngineKeys, load_keys, write_private
from klarity_storage.server.engines.ports import HOST, Ports, choose_ports, is_free
from klarity_storage.server.engines.requests import RequestLog
from klarity_storage.server.engines.sts import Access
from klarity_storage.server.engines.supervise import Command, Supervisor, end_leftover
from klarity_storage.server.engines.uploads import BucketUploads

REGION: Final = "us-east-1"
START_PATIENCE: Final = 60.0
STOP_PATIENCE: Final = 5.0
"""Seconds; it takes one, but a client that stopped reading in mid-download would hold it up."""

_ATTEMPTS: Final = 3
"""Starts with other ports, when somebody took one between our look and the engine's bind."""


class SeaweedEngine:
    """SeaweedFS below ``data/engine``, from `start` to `stop`; also a context manager.

    Args:
        data: the server's data directory; the log goes to ``data/logs/engine.log``.
        bucket: made when it is not there, 3 to 63 characters.
        port: where S3 listens on loopback; 0 takes the last one if it is free, or any.
        public_endpoint: the URL that clients are given, of a proxy that passes on to that port.
        request_days: how many whole days of its S3 requests are kept in ``data/logs/s3`` before
            today's; none are logged with 0.
    """

    stable_etags = True

    def __init__(
        self,
        data: Path,
        *,
        bucket: str = "klarity",
        port: int = 0,
        public_endpoint: str | None = None,
        request_days: int = 0,
    ) -> None:
        self._folder = data.resolve() / "engine"
        self._log = data.resolve() / "logs" / "engine.log"
        self._requests = (
            RequestLog(self._folder, self._log.with_name("s3"), request_days)
            if request_days
            else None
        )
        self._bucket = bucket
        self._port = port
        self._public_endpoint = public_endpoint
        self._access: Access | None = None
        self._ports: Ports | None = None
        self._supervisor: Supervisor | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def credentials(self) -> S3Credentials:
        return self.access.credentials

    @property
    def store(self) -> S3Store:
        return self.access.store

    @property
    def uploads(self) -> BucketUploads:
        return self.access.uploads

    @property
    def restarts(self) -> int:
        return self._supervisor.restarts if self._supervisor else 0

    @property
    def folder(self) -> Path:
        """Where everything of the engine lies but its log."""
        return self._folder

    @property
    def pid(self) -> int | None:
        """The engine's process id while it runs."""
        return self._supervisor.pid if self._supervisor else None

    def assume(self, policy: dict[str, Any], session: str, duration: int) -> S3Credentials:
        """See `Engine.assume`."""
        return self.access.assume(policy, session, duration)

    def check(self) -> str | None:
        """None when the engine answers, or one sentence that says what is wrong."""
        if self._supervisor is None or self._access is None:
            return "The embedded engine is not started."
        if trouble := self._supervisor.trouble:
            return f"The embedded engine {trouble} and is being started again; see {self._log}."
        return self._access.check()

    def beside(self, bucket: str) -> Access:
        """The way in to another bucket, which is made when it is not there.

        Raises:
            UnavailableError: the engine cannot make it now.
        """
        access = self.access.beside(bucket)
        if not access.make_bucket():
            raise UnavailableError(
                f"The embedded engine cannot make the bucket {bucket!r}.", hint=f"See {self._log}."
            )
        return access

    def start(self) -> None:
        """Start the engine and wait until it answers a signed request and has the bucket.

        Raises:
            ConfigurationError: its program is not installed, or its keys cannot be read.
            ConflictError: the port that was asked for is taken.
            UnavailableError: it does not answer in time.
        """
        program = find_weed()
        for folder in (self._folder, self._folder / "data", self._log.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        end_leftover(self._pid_file, STOP_PATIENCE)
        keys = load_keys(self._folder / "keys.json")
        weed.write_configuration(self._folder, keys)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._launch(program, keys, self._choose_ports())
            except UnavailableError:
                died = self._supervisor is not None and self._supervisor.deaths > 0
                self.stop()
                if not died or attempt == _ATTEMPTS:
                    raise
            else:
                return

    def attach(self) -> None:
        """Find the way in to the engine that a server has started in this data directory.

        Raises:
            UnavailableError: there is none, or it does not answer.
        """
        try:
            ports = msgspec.json.decode((self._folder / "ports.json").read_bytes(), type=Ports)
        except (FileNotFoundError, msgspec.DecodeError) as error:
            raise UnavailableError(
                f"No engine has been started in {self._folder}.", hint="Start one with ks serve."
            ) from error
        self._access = self._way_in(load_keys(self._folder / "keys.json"), ports)
        if fault := self._access.check():
            raise UnavailableError(fault, hint="Wait until the server is ready, then try again.")

    def stop(self) -> None:
        """Stop the engine and wait for its end."""
        if self._supervisor is not None:
            self._supervisor.stop(STOP_PATIENCE)
        self._supervisor = None
        if self._requests is not None:
            self._requests.stop()
        if self._ports is not None:
            weed.remove_sockets(self._ports)

    @property
    def _pid_file(self) -> Path:
        return self._folder / "engine.pid"

    @property
    def access(self) -> Access:
        """The way in that all callers share."""
        if self._access is None:
            raise UnavailableError("The embedded engine is not started.")
        return self._access

    def _launch(self, program: Path, keys: EngineKeys, ports: Ports) -> None:
        command = Command(
            arguments=weed.arguments(
                program,
                self._folder,
                ports,
                self._public_endpoint,
                requests=self._requests is not None,
            ),
            environment=weed.environment(self._folder, keys),
            folder=self._folder,
            log=self._log,
            pid_file=self._pid_file,
        )
        self._access = self._way_in(keys, ports)
        self._ports = ports
        if self._requests is not None:
            self._requests.start()  # before the engine, which finds somebody there
        self._supervisor = Supervisor(command)
        self._supervisor.start()
        self._await_port(ports.s3)
        self._await_bucket()
        write_private(self._folder / "ports.json", msgspec.json.encode(ports))

    def _way_in(self, keys: EngineKeys, ports: Ports) -> Access:
        credentials = S3Credentials(
            endpoint=f"http://{HOST}:{ports.s3}",
            region=REGION,
            bucket=self._bucket,
            access_key_id=keys.access_key_id,
            secret_access_key=keys.secret_access_key,
        )
        return Access(credentials, role_arn=weed.ROLE_ARN, public_endpoint=self._public_endpoint)

    def _choose_ports(self) -> Ports:
        """The last ports if they are free, so that clients find the engine where it was."""
        try:
            last = msgspec.json.decode((self.folder / "ports.json").read_bytes(), type=Ports)
        except (FileNotFoundError, msgspec.DecodeError):
            return choose_ports(self._port)
        if self._port in {0, last.s3} and last.free():
            return last
        return choose_ports(self._port or (last.s3 if is_free(last.s3) else 0))

    def _await_port(self, port: int) -> None:
        for _ in self._patiently(f"does not listen on port {port}"):
            with socket.socket() as probe:
                if probe.connect_ex((HOST, port)) == 0:
                    return

    def _await_bucket(self) -> None:
        """Until a signed request is answered; makes the bucket when it is not there."""
        access = self.access
        for _ in self._patiently("does not answer"):
            if access.make_bucket() and access.check() is None:
                return

    def _patiently(self, what: str) -> Iterator[None]:
        """Yield until the deadline, but no longer than the child lives."""
        deadline = time.monotonic() + START_PATIENCE
        while time.monotonic() < deadline:
            if self._supervisor is None or self._supervisor.deaths:
                what = "ended while it started"
                break
            yield
            time.sleep(0.02)
        raise UnavailableError(f"The embedded engine {what}.", hint=f"See {self._log}.")
