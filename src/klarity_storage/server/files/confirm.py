"""A file whose objects are not in the state that its commit saw: is it still the same file?

The digest is of the whole file, so a range of it is read only of objects that have the ETag of the
commit. They have another one where the bucket was copied to another engine, and where somebody
wrote to them again with keys that had not ended yet. The first is no damage, so the file is read
once from front to back, and what was found is remembered of these states.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import aclosing
from dataclasses import replace
from typing import Final

import obstore

from klarity_storage.errors import IntegrityError
from klarity_storage.server.files.content import Content, Part
from klarity_storage.server.files.reader import Reader
from klarity_storage.versions.engine_errors import told_as_ours

_KEPT: Final = 10_000

States = tuple[tuple[str, str], ...]
"""Objects, each with the ETag that it has."""


class Confirmed:
    """Which files are whole in which states of their objects; used on one loop."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, States], bool] = OrderedDict()
        self._turn = asyncio.Lock()

    async def state(self, content: Content, part: Part) -> str:
        """The ETag of an object in a state in which the file is what was committed.

        Raises:
            IntegrityError: the file is another now.
            UnavailableError: the engine does not answer.
        """
        etags = await _etags(content)
        key = (content.etag, tuple(sorted(etags.items())))
        async with self._turn:  # one file at a time is read for this
            if key not in self._known:
                self._known[key] = await _is_whole(content, etags)
                if len(self._known) > _KEPT:
                    self._known.popitem(last=False)
            whole = self._known[key]
        if not whole:
            raise content.damaged()
        return etags[part.key]


async def _etags(content: Content) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in content.parts(0, content.size):
        if part.key not in found:
            with told_as_ours(f"the file {content.path!r}"):
                found[part.key] = (await obstore.head_async(content.store, part.key))["e_tag"] or ""
    return found


async def _is_whole(content: Content, etags: dict[str, str]) -> bool:
    pinned = (replace(part, etag=etags[part.key]) for part in content.parts(0, content.size))
    reader = Reader(replace(content, settle=None))
    try:
        async with aclosing(reader.read_whole(pinned)) as pieces:
            async for _ in pieces:
                pass
    except IntegrityError:
        return False
    return True
