"""One file of a large version is found without its whole manifest, and never by an altered one."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from obstore.store import LocalStore, MemoryStore, ObjectStore

import klarity_storage as ks
from klarity_storage.client.local import LocalBackend
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.versions import CommitRequest, VersionInfo
from klarity_storage.versions.manifest import SCHEMA, Extent, FileInfo, Manifest, decode_manifest
from klarity_storage.versions.manifest_index import GROUP, KEY, Group, encode_table
from klarity_storage.versions.manifest_parts import StoredManifest
from klarity_storage.versions.read import read_chunks
from versions.support import Wrapped, commit, upload_manifest

NAME = Name("s", Kind.DATASETS, "many")
FILES = 8 * GROUP + 1
FOLDER = 1000


def _text(number: int) -> bytes:
    return f"file {number:07}\n".encode()


def _path(number: int) -> str:
    return f"part-{number // FOLDER:03}/{number:07}.txt"


def _manifest(key: str = "") -> Manifest:
    size = len(_text(0))
    return Manifest.of(
        FileInfo(
            _path(number),
            size,
            hashlib.sha256(_text(number)).hexdigest(),
            "text/plain",
            (Extent(key, number * size, size),),
        )
        for number in range(FILES)
    )


@pytest.fixture(scope="module")
def large() -> tuple[MemoryStore, VersionInfo]:
    store = MemoryStore()
    version = _manifest().version_hash()
    key = f"{version}/_ks/pack-{'0' * 64}.bin"
    store.put(NAME.object_key(key), b"".join(map(_text, range(FILES))))
    return store, commit(store, NAME, upload_manifest(store, NAME, version, _manifest(key)))


class Counted:
    """How many requests a version's reading takes, and of how many bytes."""

    def __init__(self, store: ObjectStore) -> None:
        self.requests = 0
        self.bytes = 0
        self._store = store
        self.store: Any = Wrapped(store, get=self._get, get_range=self._get_range)

    def _get(self, key: str, **options: Any) -> Any:
        answer = self._store.get(key, **options)
        self.requests += 1
        self.bytes += answer.range[1] - answer.range[0]
        return answer

    def _get_range(self, key: str, **options: Any) -> Any:
        data = self._store.get_range(key, **options)
        self.requests += 1
        self.bytes += len(data)
        return data


@pytest.fixture
def counted(large: tuple[MemoryStore, VersionInfo]) -> tuple[ks.Version, Counted]:
    counter = Counted(large[0])
    return ks.Version(LocalBackend(counter.store), large[1]), counter


def _size(version: ks.Version, store: ObjectStore) -> int:
    return int(store.head(NAME.manifest_key(version.hash, version.info.manifest))["size"])


@pytest.mark.parametrize("number", [0, GROUP - 1, GROUP, FILES // 2, FILES - 1])
def test_one_file_takes_three_requests(counted: tuple[ks.Version, Counted], number: int) -> None:
    version, counter = counted
    assert version.open(_path(number)).read() == _text(number)
    assert counter.requests == 3  # the footer, a row group, the file
    assert counter.bytes < _size(version, counter.store) // 4

    assert version.open(_path(number)).read() == _text(number)
    assert counter.requests == 4
    with pytest.raises(ks.FileMissingError):
        version.open(_path(number) + "x")
    assert counter.requests == 4


def test_a_folder_takes_the_row_groups_that_it_lies_in(
    counted: tuple[ks.Version, Counted], tmp_path: Any
) -> None:
    version, counter = counted
    found = version.files("part-012")
    assert list(found) == version.folder("part-012").files == found[:]
    assert [file.path for file in found] == [_path(number) for number in range(12_000, 13_000)]
    assert counter.requests == 2
    version.download(tmp_path, include=["part-012/*5.txt", "part-012/*6.txt"])
    assert len(list(tmp_path.rglob("*.txt"))) == 200
    assert counter.requests == 3  # one run of the pack
    with pytest.raises(ks.FileMissingError):
        version.files("part-999")
    assert counter.requests == 4  # the last row group could hold it


def test_who_asks_for_much_gets_the_whole_at_once(counted: tuple[ks.Version, Counted]) -> None:
    version, counter = counted
    for number in range(0, FILES, GROUP):
        assert version.file(_path(number)).path == _path(number)
    assert counter.requests == 1 + 2 + 1  # the footer, two row groups, and then the manifest
    files = version.files()
    assert (len(files), files[-1].path, files[GROUP].path) == (
        FILES, _path(FILES - 1), _path(GROUP)
    )  # fmt: skip
    assert sum(file.size for file in files) == version.info.bytes
    assert len(version.folder().folders) == FILES // FOLDER + 1
    assert version.manifest("path").schema.names == ["path"]
    assert version.manifest().schema == SCHEMA
    assert counter.requests == 4


def _data(store: ObjectStore, info: VersionInfo) -> bytearray:
    return bytearray(store.get(NAME.manifest_key(info.version, info.manifest)).bytes())


@pytest.mark.parametrize("at", ["row group", "footer", "cut"])
def test_a_part_that_was_altered_is_not_believed(
    large: tuple[MemoryStore, VersionInfo], at: str
) -> None:
    info = large[1]
    data = _data(*large)
    assert info.footer
    if at == "cut":
        del data[1000:2000]
        del data[-1]
    else:
        data[100 if at == "row group" else -info.footer.bytes + 5] ^= 1
    altered = MemoryStore()
    altered.put(NAME.manifest_key(info.version, info.manifest), bytes(data))
    version = ks.Version(LocalBackend(altered), info)
    with pytest.raises(ks.IntegrityError, match="altered"):
        version.file(_path(0))
    altered.delete(NAME.manifest_key(info.version, info.manifest))
    with pytest.raises(ks.IntegrityError, match="missing"):
        ks.Version(LocalBackend(altered), info).file(_path(0))


def _with_index(table: pa.Table, groups: Any) -> bytes:
    """The same row groups with another index."""
    sink = io.BytesIO()
    with pq.ParquetWriter(
        sink,
        table.schema,
        compression="zstd",
        use_dictionary=["media_type"],
        write_statistics=["path"],
        write_page_index=True,
    ) as writer:
        writer.write_table(table, row_group_size=GROUP)
        writer.add_key_value_metadata({KEY: msgspec.json.encode(groups)})
    return sink.getvalue()


def _lie(groups: list[Group], how: str) -> Any:
    replace = msgspec.structs.replace
    changed: dict[str, dict[str, Any]] = {
        "first": {"first": "part-000/0000001.txt"},
        "digest": {"sha256": "0" * 64},
        "place": {"offset": groups[1].offset + 1},
        "length": {"length": groups[1].length - 1},
    }
    if how in changed:
        return [groups[0], replace(groups[1], **changed[how]), *groups[2:]]
    return groups[:-1] if how == "fewer" else "nonsense"


@pytest.mark.parametrize(
    "how", ["truth", "first", "digest", "place", "length", "fewer", "nonsense"]
)
def test_an_index_that_lies_is_no_version(large: tuple[MemoryStore, VersionInfo], how: str) -> None:
    store, info = large
    table = decode_manifest(bytes(_data(store, info)), "it").table
    true = encode_table(table)
    groups = msgspec.json.decode(
        pq.ParquetFile(pa.BufferReader(true)).metadata.metadata[KEY], type=list[Group]
    )
    data = _with_index(table, groups if how == "truth" else _lie(groups, how))
    file_name = f"manifest-{hashlib.sha256(data).hexdigest()}.parquet"
    other = MemoryStore()
    pack = f"{info.version}/_ks/pack-{'0' * 64}.bin"
    other.put(NAME.object_key(pack), bytes(store.get(NAME.object_key(pack)).bytes()))
    other.put(NAME.manifest_key(info.version, file_name), data)
    request = CommitRequest(version=info.version, manifest=file_name, write_id="w")
    if how == "truth":
        made = commit(other, NAME, request)
        assert made.footer
        assert ks.Version(LocalBackend(other), made).file(_path(7)).path == _path(7)
    else:
        with pytest.raises(ks.InvalidManifestError, match="index"):
            commit(other, NAME, request)


def test_a_manifest_without_an_index_stays_readable(
    large: tuple[MemoryStore, VersionInfo],
) -> None:
    """As earlier programs wrote it: row groups of 50,000 files."""
    store, info = large
    table = decode_manifest(bytes(_data(store, info)), "it").table
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=50_000, compression="zstd")
    data = sink.getvalue().to_pybytes()
    file_name = f"manifest-{hashlib.sha256(data).hexdigest()}.parquet"
    other = MemoryStore()
    pack = f"{info.version}/_ks/pack-{'0' * 64}.bin"
    other.put(NAME.object_key(pack), bytes(store.get(NAME.object_key(pack)).bytes()))
    other.put(NAME.manifest_key(info.version, file_name), data)
    request = CommitRequest(version=info.version, manifest=file_name, write_id="w")
    made = commit(other, NAME, request)
    version = ks.Version(LocalBackend(other), made)
    assert made.footer is None
    assert version.file(_path(60_000)).path == _path(60_000)
    assert len(version.files("part-049")) == len(version.folder("part-050").files) == FOLDER
    chunks = read_chunks(other, NAME, version.files()[FILES - 2])
    assert b"".join(chunks) == _text(FILES - 2)


def test_a_small_manifest_has_no_index() -> None:
    small = Manifest(_manifest("k").table.slice(0, GROUP))
    assert KEY not in pq.ParquetFile(pa.BufferReader(small.encode()[1])).metadata.metadata


def test_every_store_hands_over_parts(
    large: tuple[MemoryStore, VersionInfo], bucket: ObjectStore, space: str
) -> None:
    store, info = large
    name = Name(space, Kind.DATASETS, "many")
    pack = f"{info.version}/_ks/pack-{'0' * 64}.bin"
    bucket.put(name.object_key(pack), bytes(store.get(NAME.object_key(pack)).bytes()))
    bucket.put(name.manifest_key(info.version, info.manifest), bytes(_data(store, info)))
    request = CommitRequest(version=info.version, manifest=info.manifest, write_id="w")
    made = commit(bucket, name, request)
    assert made.footer == info.footer
    counter = Counted(bucket)
    version = ks.Version(LocalBackend(counter.store), made)
    assert version.open(_path(GROUP)).read() == _text(GROUP)
    assert counter.requests == 3
    assert counter.bytes < len(_data(store, info)) // 4


def test_one_file_is_read_without_pandas(
    large: tuple[MemoryStore, VersionInfo], tmp_path: Path
) -> None:
    """It is installed where data frames are used, and takes half a second to load."""
    store, info = large
    directory = LocalStore(tmp_path / "store", mkdir=True)
    pack = f"{info.version}/_ks/pack-{'0' * 64}.bin"
    directory.put(NAME.object_key(pack), bytes(store.get(NAME.object_key(pack)).bytes()))
    directory.put(NAME.manifest_key(info.version, info.manifest), bytes(_data(store, info)))
    request = CommitRequest(version=info.version, manifest=info.manifest, write_id="w")
    commit(directory, NAME, request)
    program = f"""
import sys
import klarity_storage as ks
with ks.connect({str(tmp_path / "store")!r}) as storage:
    version = storage.get_version("s/datasets/many")
    assert version.open({_path(GROUP)!r}).read() == {_text(GROUP)!r}
    assert len(version.files("part-012")) == {FOLDER} and not len(storage.diff(*2 * [version.ref]))
    assert "pandas" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_is_at_hand_is_found_without_a_look_at_storage(
    large: tuple[MemoryStore, VersionInfo],
) -> None:
    store, info = large
    asked: list[Any] = []

    def get(*arguments: Any, **options: Any) -> Any:
        asked.append(arguments)
        return store.get(*arguments, **options)

    manifest = StoredManifest(Wrapped(store, get=get), NAME, info)  # type: ignore[arg-type]
    assert manifest.at_hand(_path(5)) is None
    assert not asked
    file = manifest.find(_path(5))
    before = len(asked)
    assert manifest.at_hand(_path(5)) == file
    assert manifest.at_hand(_path(6)) == manifest.find(_path(6))
    assert manifest.at_hand(_path(FILES - 1)) is None  # of a row group that is not here
    assert manifest.at_hand("part-000/none") is None
    assert len(asked) == before
