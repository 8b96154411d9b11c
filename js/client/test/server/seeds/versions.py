"""A space with versions in it, and users who may read it or not."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

import klarity_storage as ks

# a picture of one pixel
PNG = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg=="
)

TREE = {
    "readme.txt": b"cats, and more cats\n",
    "info.json": b'{"classes": ["cat", "dog"], "count": 2}',
    "Zürich/猫 #1?.txt": "miau 猫".encode(),
    "train/0001.bin": bytes(range(256)) * 16,
    "train/masks/0001.bin": bytes(64),
    "empty.bin": b"",
    "large.bin": b"".join(number.to_bytes(4, "little") for number in range(1 << 20)),
}


def seed(admin: ks.Storage, home: Path) -> dict[str, object]:
    """The space ``vision``; what tests need to know of it."""
    admin.create_space("vision", description="Pictures")
    admin.create_space("secret")
    first = admin.push("vision/datasets/cats", planted(home / "1", {"readme.txt": b"one cat\n"}))
    made = admin.push("vision/models/net", planted(home / "m", {"weights.bin": b"\0" * 1000}))
    second = admin.push(
        "vision/datasets/cats",
        planted(home / "2", TREE),
        message="more cats",
        lineage=["vision/models/net"],
        metadata={"license": "CC0", "classes": 2},
    )
    admin.push(
        "vision/artefacts/scan",
        planted(home / "a", {"dot.png": PNG, "mask.png": PNG + b"over"}),
        display={"dot.png": "image", "mask.png": "overlay of dot.png"},
    )
    admin.push("secret/datasets/plans", planted(home / "s", {"plan.txt": b"secret"}))
    many = {f"f{number:04}.txt": str(number).encode() for number in range(1203)}
    admin.push("vision/datasets/many", planted(home / "many", many))
    row = ("scan.dcm", b"DICM"), ("slices/猫 1.bin", bytes(range(256)))
    admin.push_data_frame("vision/tables/scans", [{"id": 812}])
    admin.push_raw_binary("vision/tables/scans", 812, list(row))
    admin.push_raw_binary("vision/tables/scans", "Zürich/3", list(row[:1]))
    admin.tag("vision/datasets/cats@" + second.hash, "prod")
    return {
        "first": first.hash,
        "second": second.hash,
        "model": made.hash,
        "readers": {name: reader(admin, name) for name in ("alice", "bob")},
        "stranger": reader(admin, "carol", "secret"),
    }


def planted(root: Path, tree: dict[str, bytes]) -> Path:
    """A folder that holds a tree."""
    for path, data in tree.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return root


def reader(admin: ks.Storage, name: str, space: str = "vision") -> str:
    """The token of a new user who reads one space."""
    admin.admin.create_user(name)
    admin.admin.create_grant(f"user:{name}", "reader", space)
    return admin.admin.create_token(name).secret
