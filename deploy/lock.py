"""Print the exact versions of a pip installation report: names and versions, no addresses."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(report: str) -> None:
    found = json.loads(Path(report).read_text(encoding="utf-8"))["install"]
    pins = {item["metadata"]["name"].lower().replace("_", "-"): item["metadata"] for item in found}
    pins.pop("klarity-storage", None)
    print(
        "# Exact versions of everything that is installed for development; `make lock` writes it."
    )
    for name, metadata in sorted(pins.items()):
        print(f"{name}=={metadata['version']}")


if __name__ == "__main__":
    main(sys.argv[1])
