"""Plain obstore with threads: put a folder, or get a prefix, object by object."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from obstore.store import S3Store


def main(verb: str, folder: str, bucket: str, prefix: str) -> None:
    store = S3Store(
        bucket,
        prefix=prefix,
        endpoint=os.environ["AWS_ENDPOINT_URL"],
        region=os.environ["AWS_REGION"],
        client_options={"allow_http": True},
    )
    root = Path(folder)
    if verb == "put":
        work = [lambda file=file: _put(store, root, file) for file in root.rglob("*")]
    else:
        paths = [item["path"] for page in store.list() for item in page]
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
        work = [lambda path=path: _get(store, root, path) for path in paths]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda step: step(), work))


def _put(store: S3Store, root: Path, file: Path) -> None:
    if file.is_file():
        store.put(str(file.relative_to(root)), file)


def _get(store: S3Store, root: Path, path: str) -> None:
    with (root / path).open("wb") as stream:
        for chunk in store.get(path).stream(min_chunk_size=8 << 20):
            stream.write(chunk)


if __name__ == "__main__":
    main(*sys.argv[1:])
