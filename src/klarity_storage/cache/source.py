"""The cache as a pull uses it: what it holds need not be fetched, what is fetched may be kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic

from klarity_storage.cache.evict import make_room
from klarity_storage.cache.files import Cache, File
from klarity_storage.cache.folder import chosen_link
from klarity_storage.cache.link import Linker


class Source(Generic[File]):
    """Files from the cache, for one pull.

    Args:
        cache: which.
        link: ``auto``, ``reflink``, ``hard`` or ``copy``; ``KS_CACHE_LINK`` without it.
        shared: whether the files are to be read only, so that ``auto`` may hard link.
        keep: whether what is fetched is kept.
    """

    def __init__(
        self, cache: Cache, *, link: str | None = None, shared: bool = False, keep: bool = False
    ) -> None:
        self._cache = cache
        self._keep = keep
        self.linker = Linker(chosen_link(link), shared=shared)

    def give(
        self, wanted: Sequence[tuple[File, str]], partial: str, given: Callable[[File], None]
    ) -> list[tuple[File, str]]:
        """Write what the cache holds to its paths, and return what it does not hold."""
        return self._cache.give(wanted, partial, self.linker, given)

    def keeps(self, size: int) -> bool:
        """Whether so many bytes more are to be kept."""
        return self._keep and self._cache.takes(size)

    def fill(
        self, files: Sequence[File], fetch: Callable[[str, list[tuple[File, str]]], None]
    ) -> None:
        """Fetch files into the cache.

        Args:
            files: which, each content once.
            fetch: gets a folder in which it may make folders ``partial-…`` for what is not whole
                yet, and the files with their paths.
        """
        cache = self._cache
        cache.begin(files)
        try:
            fetch(str(cache.folder), [(file, cache.place(file.sha256)) for file in files])
        finally:
            cache.finish(files)
            make_room(cache)
