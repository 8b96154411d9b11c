"""What the read path keeps between requests."""

from __future__ import annotations

from dataclasses import dataclass, field

from klarity_storage.server.files.budget import Budget
from klarity_storage.server.files.confirm import Confirmed
from klarity_storage.server.files.manifests import Manifests
from klarity_storage.server.files.opened import OpenedVersions
from klarity_storage.server.settings.sections import FilesSettings


@dataclass(frozen=True, slots=True)
class FileReads:
    """Settings, the manifests that were asked for last, and the memory of all answers."""

    settings: FilesSettings = field(default_factory=FilesSettings)
    manifests: Manifests = field(default_factory=Manifests)
    opened: OpenedVersions = field(default_factory=OpenedVersions)
    confirmed: Confirmed = field(default_factory=Confirmed)
    budget: Budget = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "budget", Budget(self.settings.memory))
