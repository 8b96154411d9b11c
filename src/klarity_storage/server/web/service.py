"""What serving front ends keeps between requests."""

from __future__ import annotations

from dataclasses import dataclass, field

from klarity_storage.server.settings.sections import WebSettings
from klarity_storage.server.web.body import Body
from klarity_storage.server.web.memory import Memory
from klarity_storage.server.web.releases import Entry
from klarity_storage.versions.encoded import Index
from klarity_storage.versions.manifest import FileInfo


@dataclass(frozen=True, slots=True)
class WebService:
    """Settings, small files, and what is known of versions and deployments."""

    settings: WebSettings = field(default_factory=WebSettings)
    bodies: Memory[Body] = field(init=False)
    pages: Memory[bytes] = field(init=False)
    """With the addresses of what they load by version."""
    files: Memory[FileInfo] = field(init=False)
    """By version and path: what manifests say of those that were asked for last."""
    indexes: Memory[Index] = field(init=False)
    """Which compressed forms there are, by version."""
    releases: Memory[list[Entry]] = field(init=False)
    """By deployment and the length of its log."""

    def __post_init__(self) -> None:
        total = self.settings.memory
        object.__setattr__(self, "bodies", Memory(total))
        for beside in ("pages", "files", "indexes", "releases"):
            object.__setattr__(self, beside, Memory(max(1 << 20, total // 16)))
