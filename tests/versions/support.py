"""What several tests of versions need."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from obstore.store import ObjectStore

from klarity_storage.layout import Name
from klarity_storage.protocol.versions import CommitRequest, VersionInfo
from klarity_storage.versions.commit import commit_version
from klarity_storage.versions.hashing import digest_bytes
from klarity_storage.versions.manifest import Extent, FileInfo, Manifest


def keys_below(store: ObjectStore, prefix: str) -> set[str]:
    """Every key below a prefix, without it."""
    return {meta["path"].removeprefix(prefix) for page in store.list(prefix) for meta in page}


def file_info(path: str, data: bytes, *extents: Extent) -> FileInfo:
    digest = digest_bytes(data)
    return FileInfo(path, digest.size, digest.sha256, "text/plain", extents)


def upload(store: ObjectStore, name: Name, tree: dict[str, bytes]) -> CommitRequest:
    """Upload a version as a client does, up to the commit."""
    bare = [file_info(path, data) for path, data in tree.items()]
    version = Manifest.of(bare).version_hash()
    for path, data in tree.items():
        store.put(name.object_key(f"{version}/{path}"), data)
    files = [
        file_info(path, data, Extent(f"{version}/{path}", 0, len(data)))
        for path, data in tree.items()
    ]
    return upload_manifest(store, name, version, Manifest.of(files))


def upload_manifest(
    store: ObjectStore, name: Name, version: str, manifest: Manifest
) -> CommitRequest:
    file_name, data = manifest.encode()
    store.put(name.manifest_key(version, file_name), data)
    return CommitRequest(version=version, manifest=file_name, write_id=uuid4().hex)


def commit(store: ObjectStore, name: Name, request: CommitRequest, **options: Any) -> VersionInfo:
    return commit_version(store, name, request, by="user:test", stable_etags=False, **options)


class Wrapped:
    """A store with some calls replaced: ``Wrapped(store, put=…)``."""

    def __init__(self, store: ObjectStore, **calls: Any) -> None:
        self._store = store
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        return self._calls.get(name) or getattr(self._store, name)
