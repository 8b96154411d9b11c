"""Give a file its final name without ever taking that name from another."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from functools import cache
from typing import Any, Final

_HERE: Final = -100
"""AT_FDCWD: paths mean what they mean to every other call."""

_NO_REPLACE: Final = 1
_UNKNOWN: Final = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
_NO_LINKS: Final = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES}


def rename_new(source: str, target: str) -> None:
    """Rename a file in one step, unless the target exists.

    A disk that can neither rename so nor hard link looks first and renames then: of two that come
    in the same instant one may win silently there.

    Raises:
        FileExistsError: something has the name; the source stays.
    """
    rename = _renameat2()
    if rename is not None:
        number = rename(source, target)
        if not number:
            return
        if number not in _UNKNOWN:
            raise OSError(number, os.strerror(number), source, None, target)
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(target):
            raise FileExistsError(
                errno.EEXIST, os.strerror(errno.EEXIST), source, None, target
            ) from error
        os.rename(source, target)  # noqa: PTH104 - paths are texts here
    else:
        os.unlink(source)  # noqa: PTH108


@cache
def _renameat2() -> Callable[[str, str], int] | None:
    """Linux's own call, which answers with an error's number; None on other systems."""
    try:
        call: Any = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return None

    def rename(source: str, target: str) -> int:
        done = call(_HERE, os.fsencode(source), _HERE, os.fsencode(target), _NO_REPLACE)
        return ctypes.get_errno() if done else 0

    return rename
