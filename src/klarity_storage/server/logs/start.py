"""Let everything that is logged in this process go to stderr, in the form that was asked for."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Final

from klarity_storage.server.logs.gather import GatheredLines
from klarity_storage.server.logs.lines import JsonLines, TextLines, json_line
from klarity_storage.server.settings.sections import LogSettings

OURS: Final = "klarity_storage"

Say = Callable[[str], None]


def start_logging(settings: LogSettings) -> Say:
    """Set up logging, and return what the text of the start is said with.

    Libraries are heard from warnings on, whatever the level: at ``debug`` some of them write the
    headers of requests, and so keys, into the log.
    """
    handler = GatheredLines(sys.stderr)
    handler.setFormatter(JsonLines() if settings.format == "json" else TextLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger(OURS).setLevel(settings.level.upper())
    # of each line that costs more than the line, and no form shows it
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.captureWarnings(True)
    return _say_as_json if settings.format == "json" else _say


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - the start text


def _say_as_json(line: str) -> None:
    """As `_say`; the first token, which is shown there alone, is not masked."""
    if line.strip():
        _say(json_line("info", f"{OURS}.server", line.strip(), {}))
