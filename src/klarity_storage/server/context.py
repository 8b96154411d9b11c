"""What a verb of the control plane knows of the request that it serves."""

from __future__ import annotations

from dataclasses import dataclass

from klarity_storage.server.rights.actor import Actor
from klarity_storage.server.services import Services


@dataclass(frozen=True, slots=True)
class Context:
    """Who asks for what, and the parts that answer."""

    services: Services
    actor: Actor
    operation: str
    """The API's operation: ``create_grant``."""
    request_id: str
    remote: str = ""
    """The address that the request came from; empty for what the server does by itself."""
