from __future__ import annotations

import socket

import pytest

from klarity_storage.errors import ConfigurationError, ConflictError
from klarity_storage.server.listen import address_of, listen
from klarity_storage.server.settings.sections import ServerSettings


def test_port_0_takes_any_free_one() -> None:
    with listen(ServerSettings(port=0)) as listener:
        port = listener.getsockname()[1]
        assert address_of(listener) == f"http://127.0.0.1:{port}"
        socket.create_connection(("127.0.0.1", port)).close()


@pytest.mark.parametrize("reuse", [False, True])
def test_a_taken_port_is_named_with_the_remedy(reuse: bool) -> None:
    with socket.socket() as squatter:
        if reuse:  # as servers that share a port on purpose: we never do
            squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        port = squatter.getsockname()[1]
        with pytest.raises(ConflictError, match=f"Port {port} of 127.0.0.1 is taken") as caught:
            listen(ServerSettings(port=port))
        assert "--port 0" in (caught.value.hint or "")


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.1"])
def test_an_address_that_is_not_ours_is_refused(host: str) -> None:
    with pytest.raises(ConfigurationError, match=host):
        listen(ServerSettings(host=host, port=0))


def test_every_address_is_reached_over_loopback() -> None:
    with listen(ServerSettings(host="0.0.0.0", port=0)) as listener:
        assert address_of(listener).startswith("http://127.0.0.1:")
