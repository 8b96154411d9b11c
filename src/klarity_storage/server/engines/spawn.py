"""Become the engine: run as ``python -I -S spawn.py <parent pid> <pid file> <command> …``.

A program of its own, because what it sets up between fork and exec would not be safe to do in a
server that has threads. Imports nothing of ours: it starts in a few milliseconds.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, pid_file: int, command: list[str]) -> None:
    """Write our process id into the locked file, ask to die with the parent, and exec."""
    os.umask(0o077)
    os.ftruncate(pid_file, 0)
    os.pwrite(pid_file, str(os.getpid()).encode(), 0)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - a shell is what we do not want


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
