"""What the server and a process that draws say to each other over a socket."""

from __future__ import annotations

import struct
from typing import Final

JOB: Final = struct.Struct("<IQ")
"""The width, and the bytes of the image that follows."""

ANSWER: Final = struct.Struct("<cQ")
"""How it went, and the bytes that follow: the picture, or message and hint in two lines."""

DRAWN: Final = b"D"
NO_IMAGE: Final = b"N"
UNREADABLE: Final = b"U"
