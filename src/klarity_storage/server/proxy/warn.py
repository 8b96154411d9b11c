"""What works otherwise than expected before a server that knows nothing of its proxy."""

from __future__ import annotations

import ipaddress

from klarity_storage.server.proxy.configure import publishes_s3
from klarity_storage.server.settings.check import read_networks
from klarity_storage.server.settings.sections import Settings


def warnings(settings: Settings) -> list[str]:
    """A sentence for each setting that lacks, with what to write."""
    found = []
    if not _trusts_us(settings):
        found.append(
            "The server does not believe the proxy where requests come from, and takes all callers "
            'for one: add [server] trusted_proxies = ["127.0.0.1"] to klarity.toml.'
        )
    if settings.engine.kind == "seaweed" and not publishes_s3(settings):
        found.append(
            "S3 is not published, so clients elsewhere read files and push nothing: set "
            "engine.port and engine.public_endpoint in klarity.toml."
        )
    return found


def _trusts_us(settings: Settings) -> bool:
    """Whether requests that nginx makes on this machine come from a trusted proxy."""
    try:
        host = ipaddress.ip_address(settings.server.host)
    except ValueError:
        host = ipaddress.ip_address("127.0.0.1")
    if host.is_unspecified:
        host = ipaddress.ip_address("127.0.0.1" if host.version == 4 else "::1")
    return any(host in network for network in read_networks(settings.server.trusted_proxies))
