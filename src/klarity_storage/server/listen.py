"""The socket of the control plane: bound before anything else is started."""

from __future__ import annotations

import errno
import socket
from typing import Final

from klarity_storage.errors import ConfigurationError, ConflictError
from klarity_storage.server.settings.sections import ServerSettings

BACKLOG: Final = 1024


def listen(settings: ServerSettings) -> socket.socket:
    """A listening socket: whoever has it has the port, which a look at it could not promise.

    Raises:
        ConflictError: somebody else listens there.
        ConfigurationError: there is no such address, or the port is not for this user.
    """
    host, port = settings.host, settings.port
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, proto)
    except OSError as error:
        raise _wrong_address(host, port, error) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ConflictError(
                f"Port {port} of {host} is taken.",
                hint="Stop what listens there, or choose another: --port 0 takes any free one.",
            ) from error
        raise _wrong_address(host, port, error) from error
    listener.setblocking(False)
    return listener


def address_of(listener: socket.socket, *, https: bool = False, name: str | None = None) -> str:
    """The URL under which this machine reaches the socket, or others do by its host's name."""
    host, port = listener.getsockname()[:2]
    host = name or {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - a comparison
    scheme = "https" if https else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _wrong_address(host: str, port: int, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"The server cannot listen on port {port} of {host}: {error.strerror}.",
        hint="Check server.host and server.port.",
    )
