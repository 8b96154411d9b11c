from __future__ import annotations

import hashlib
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from klarity_storage.versions.hashing import version_hash
from klarity_storage.versions.manifest import Extent, FileInfo, Manifest, decode_manifest
from test_layout import PATHS
from versions.support import file_info

TREES = st.dictionaries(PATHS, st.binary(max_size=20), min_size=1, max_size=8).filter(
    lambda tree: not any(a != b and b.startswith(f"{a}/") for a in tree for b in tree)
)


@given(TREES, st.randoms())
def test_the_hash_is_that_of_the_sorted_lines(tree: dict[str, bytes], random: object) -> None:
    lines = sorted(
        (path.encode(), f"{hashlib.sha256(data).hexdigest()} {len(data)} {path}\n")
        for path, data in tree.items()
    )
    expected = hashlib.sha256("".join(line for _, line in lines).encode()).hexdigest()
    files = [file_info(path, data) for path, data in tree.items()]
    random.shuffle(files)  # type: ignore[attr-defined]

    assert version_hash(files) == expected
    assert Manifest.of(files).version_hash() == expected


@given(TREES, st.integers(1, 3))
def test_a_manifest_is_read_as_it_is_written(tree: dict[str, bytes], parts: int) -> None:
    files = [_in_parts(path, data, parts) for path, data in tree.items()]
    name, data = Manifest.of(files).encode()

    assert name == f"manifest-{hashlib.sha256(data).hexdigest()}.parquet"
    manifest = decode_manifest(data, "The manifest")
    assert list(manifest) == sorted(files, key=lambda file: file.path.encode())
    assert manifest.find(files[0].path) == files[0]
    assert manifest.total_bytes == sum(map(len, tree.values()))


def _in_parts(path: str, data: bytes, parts: int) -> FileInfo:
    """A file whose extents lie in several objects, as packs and chunks make them."""
    cuts = [len(data) * i // parts for i in range(parts + 1)]
    pack = "a" * 64 + "/_ks/pack-" + "b" * 64 + ".bin"
    return file_info(path, data, *(Extent(pack, a, b - a) for a, b in pairwise(cuts)))
