"""A push that goes through the API, without the client."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from obstore.store import ObjectStore

from control_fixture import Api, open_store
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.credentials import Adding
from klarity_storage.protocol.versions import CommitRequest, UploadPlace, VersionInfo
from klarity_storage.versions.push import Description, push_tree


@dataclass(frozen=True)
class Pushing:
    """Where a push of one caller goes: temporary keys to upload, the API to commit."""

    api: Api

    def versions(self, name: Name) -> list[VersionInfo]:
        answer = self.api("GET", f"/v1/spaces/{name}/versions")
        if answer.status_code == 404:
            return []
        return msgspec.convert(answer.json()["items"], list[VersionInfo])

    def place(self, name: Name, version: str) -> UploadPlace:
        answer = self.api.ok("GET", f"/v1/spaces/{name}/uploads/{version}")
        return msgspec.convert(answer, UploadPlace)

    def reading_store(self, name: Name) -> ObjectStore:
        return open_store(self.api, str(name))

    def writing_store(self, name: Name, folder: str, adding: Adding | None = None) -> ObjectStore:
        told = msgspec.to_builtins(adding)
        return open_store(self.api, str(name), operation="write", version=folder, adding=told)

    def commit(self, name: Name, request: CommitRequest) -> VersionInfo:
        body = msgspec.to_builtins(request)
        return msgspec.convert(
            self.api.ok("POST", f"/v1/spaces/{name}/versions", body), VersionInfo
        )


Push = Callable[..., VersionInfo]


@pytest.fixture
def push(plant: Callable[[dict[str, bytes], str], Path]) -> Push:
    """Push a tree as a caller: ``push(api, "vision/datasets/cats", {"a.txt": b"…"})``."""

    def push_as(
        api: Api, name: str, tree: dict[str, bytes], lineage: Sequence[str] = ()
    ) -> VersionInfo:
        space, kind, last = name.split("/")
        root = plant(tree, "-".join([last, *sorted(tree)]).replace("/", "-"))
        description = Description("pushed", lineage=lineage)
        return push_tree(Pushing(api), Name(space, Kind(kind), last), root, description)

    return push_as
