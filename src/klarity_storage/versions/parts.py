"""Very large files go up in parts that are objects of their own, so that none is sent twice.

Nobody can see what a multipart upload that was killed has sent already, but everybody sees objects.
Why only very large files: design/008-transfers.md.
"""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from klarity_storage.layout import RESERVED_SEGMENT
from klarity_storage.versions.cutting import Chunks
from klarity_storage.versions.digests import Hashed
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.folder import Folder
from klarity_storage.versions.manifest import Extent
from klarity_storage.versions.progress import Meter

LARGEST: Final = 256 * 1024 * 1024
"""Bytes of a file that is one object, which any S3 tool reads; a larger one goes up in parts."""

PART: Final = 32 * 1024 * 1024
"""Bytes of a part, as of a pack: a connection is at its full speed, and a few fit in memory."""

AT_ONCE: Final = 3


def pack_path(data: bytes | bytearray) -> str:
    """The path of an object that extents point into, in its version's folder.

    It holds the digest of the bytes: whoever uploads other ones writes another object.
    """
    return f"{RESERVED_SEGMENT}/pack-{hashlib.sha256(data).hexdigest()}.bin"


def upload_in_parts(
    folder: Folder, item: Hashed, chunks: Chunks, meter: Meter
) -> tuple[Extent, ...]:
    """Upload a very large file, and say where its parts lie, in order.

    Raises:
        SourceChangedError: it is not any more what was hashed.
    """
    source, file = item
    extents: list[Extent] = []
    under_way: deque[Future[Extent]] = deque()
    with (
        told_as_ours(f"the file {file.path!r}"),
        source.file.open("rb") as stream,  # buffered: a part is never cut short
        ThreadPoolExecutor(AT_ONCE, "ks-part") as pool,
    ):
        read = iter(lambda: stream.read(PART), b"")
        try:
            for data in chunks.verified(read, source.location):
                if len(under_way) == AT_ONCE:
                    extents.append(under_way.popleft().result())
                under_way.append(pool.submit(_upload, folder, data, meter))
            extents += [part.result() for part in under_way]
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    meter.advance(0, files=1)
    return tuple(extents)


def _upload(folder: Folder, data: bytes, meter: Meter) -> Extent:
    path = pack_path(data)
    folder.put(path, data)
    meter.advance(len(data))
    return Extent(folder.object(path), 0, len(data))
