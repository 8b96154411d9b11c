"""Run ks with a person's terminal as its stdin, stdout and stderr."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

KS = Path(sys.executable).parent / "ks"
_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_terminal(
    *args: str,
    columns: int = 100,
    code: int = 0,
    plain: bool = True,
    typed: tuple[str, str] | None = None,
) -> str:
    """What a terminal of that width receives, without the sequences that style it if ``plain``.

    ``typed`` is what is typed once the terminal shows the first of its two texts.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        [KS, *args],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm-256color"},
        start_new_session=True,
    )
    os.close(theirs)
    try:
        shown = ""
        if typed:
            shown = _read(ours, until=typed[0])
            os.write(ours, typed[1].encode())
        shown += _read(ours)
        assert process.wait(timeout=10) == code, shown
    finally:
        process.kill()
        os.close(ours)
    text = shown.replace("\r\n", "\n")
    return _SEQUENCE.sub("", text) if plain else text


def _read(terminal: int, until: str | None = None) -> str:
    """What comes until a text was shown, or until the last process has left."""
    received = b""
    deadline = time.monotonic() + 60
    while until is None or until.encode() not in received:
        assert select.select([terminal], [], [], deadline - time.monotonic())[0], received
        try:
            part = os.read(terminal, 65_536)
        except OSError:  # Linux says EIO when nobody is left
            break
        if not part:
            break
        received += part
    return received.decode()
