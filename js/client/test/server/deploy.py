"""Publish a folder as a front end, and deploy it with a version of data pinned."""

from __future__ import annotations

import os
import sys

import klarity_storage as ks


def main(address: str, folder: str, pinned: str) -> None:
    """Print where the deployment is, below the server's address."""
    with ks.connect(address, token=os.environ["KS_TOKEN"]) as storage:
        storage.create_space("site", bucket="site")
        storage.publish_web("site/front", folder)
        print(storage.deploy_web("site/prod", "site/front", data=[pinned]).path)


if __name__ == "__main__":
    main(*sys.argv[1:])
