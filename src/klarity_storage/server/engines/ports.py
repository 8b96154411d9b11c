"""Loopback ports of the embedded engine."""

from __future__ import annotations

import errno
import secrets
import socket
from typing import Final

import msgspec

from klarity_storage.errors import ConflictError, UnavailableError

HOST: Final = "127.0.0.1"
GRPC_OFFSET: Final = 10_000
"""The engine's worker looks for the admin part's gRPC here, whatever the flag says."""

# Below what systems hand out to outgoing connections, or one of those would take a port between
# our look and the engine's bind.
_FIRST: Final = 18_000
_LAST: Final = 32_000


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """Every port that the engine listens on, all on loopback."""

    s3: int
    s3_grpc: int
    master: int
    master_grpc: int
    volume: int
    volume_grpc: int
    filer: int
    filer_grpc: int
    admin: int

    @property
    def admin_grpc(self) -> int:
        return self.admin + GRPC_OFFSET

    def every(self) -> list[int]:
        return [*msgspec.structs.astuple(self), self.admin_grpc]

    def free(self) -> bool:
        return all(is_free(port) for port in self.every())


def choose_ports(s3: int = 0) -> Ports:
    """Free ports, with the given one for S3 unless it is 0.

    Raises:
        ConflictError: the given port is taken.
    """
    if s3 and not is_free(s3):
        raise ConflictError(
            f"Port {s3} of {HOST}, meant for the embedded engine, is taken.",
            hint="Stop what listens there, or set engine.port to another port or to 0.",
        )
    taken = {s3}
    names = [name for name in Ports.__struct_fields__ if name != "s3" or not s3]
    chosen = {name: _choose(taken, GRPC_OFFSET if name == "admin" else 0) for name in names}
    return Ports(**({"s3": s3} | chosen))


def is_free(port: int, host: str = HOST) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a connection that still lingers from the last run is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def _choose(taken: set[int], offset: int) -> int:
    for _ in range(200):
        port = _FIRST + secrets.randbelow(_LAST - _FIRST)
        pair = {port, port + offset}
        if not pair & taken and all(is_free(one) for one in pair):
            taken |= pair
            return port
    raise UnavailableError(f"No free port for the embedded engine between {_FIRST} and {_LAST}.")
