from __future__ import annotations

import json
import subprocess
import sys


def test_the_server_loads_nothing_that_reads_rows() -> None:
    """Queries and thumbnails have processes of their own, which load it."""
    script = (
        "import json, sys\n"
        "import klarity_storage.server.main\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(json.loads(done.stdout))
    assert {"klarity_storage.server.app", "deltalake"} <= loaded
    assert not {"datafusion", "pandas", "polars", "PIL"} & loaded
