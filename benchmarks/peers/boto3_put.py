"""Plain boto3 with threads: put a folder, or get a prefix."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from botocore.config import Config


def main(verb: str, folder: str, bucket: str, prefix: str) -> None:
    s3 = boto3.client(
        "s3",
        endpoint_url=os.environ["AWS_ENDPOINT_URL"],
        config=Config(max_pool_connections=16),
    )
    root = Path(folder)
    with ThreadPoolExecutor(16) as pool:
        if verb == "put":
            files = [file for file in root.rglob("*") if file.is_file()]
            list(
                pool.map(
                    lambda file: s3.upload_file(
                        str(file), bucket, f"{prefix}{file.relative_to(root)}"
                    ),
                    files,
                )
            )
            return
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        for key in keys:
            (root / key.removeprefix(prefix)).parent.mkdir(parents=True, exist_ok=True)
        list(
            pool.map(
                lambda key: s3.download_file(bucket, key, str(root / key.removeprefix(prefix))),
                keys,
            )
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
