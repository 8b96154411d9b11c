"""What an operation on a scope takes."""

from __future__ import annotations

from typing import Final

from klarity_storage.protocol.credentials import Operation
from klarity_storage.server.rights.decide import Action

ACTIONS: Final = {
    Operation.READ: Action.READ,
    Operation.WRITE: Action.WRITE,
    Operation.OVERWRITE: Action.OWN,
    Operation.VACUUM: Action.OWN,
    Operation.DROP: Action.OWN,
}
