"""What files of a version are to a viewer: images, overlays of images, tables.

Who pushes says so, the manifest keeps it, and a viewer needs no convention of its own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

import pyarrow as pa

from klarity_storage.errors import InvalidInputError, InvalidManifestError
from klarity_storage.versions.arrays import text_array
from klarity_storage.versions.manifest import SCHEMA, SHOWN, Manifest

MAX_TARGETS: Final = 1 << 30
"""Bytes of the paths that overlays name, all together."""

_WHAT: Final = re.compile(r"image|table|overlay of (?s:.+)")


class Role(StrEnum):
    """What a file is to a viewer."""

    IMAGE = "image"
    OVERLAY = "overlay"
    TABLE = "table"


class Shown(NamedTuple):
    """How a file is shown."""

    role: str
    overlay_of: str | None = None


Display = Mapping[str, Shown]
"""How files are shown, by path."""


def parse_display(display: Mapping[str, Any]) -> dict[str, Shown]:
    """Read what files are, as people write it.

    Raises:
        InvalidInputError: it is none of ``image``, ``table`` and ``overlay of PATH``.

    >>> parse_display({"mask.png": "overlay of scan.png"})
    {'mask.png': Shown(role=<Role.OVERLAY: 'overlay'>, overlay_of='scan.png')}
    """
    found: dict[str, Shown] = {}
    for path, what in display.items():
        if not isinstance(what, str) or not _WHAT.fullmatch(what):
            raise InvalidInputError(
                f"{path!r} cannot be shown as {what!r}.",
                hint="Write image, table, or 'overlay of PATH'.",
            )
        role, _, target = what.partition(" of ")
        found[path] = Shown(Role(role), target or None)
    return found


def display_of(manifest: Manifest) -> dict[str, Shown]:
    """How the files of a manifest are shown; empty where nobody said so."""
    table = manifest.table
    if SHOWN.names[0] not in table.schema.names:
        return {}
    columns = (table[name].to_pylist() for name in ("path", *SHOWN.names))
    rows = zip(*columns, strict=True)
    return {path: Shown(role, overlay_of) for path, role, overlay_of in rows if role}


def with_display(manifest: Manifest, display: Display) -> Manifest:
    """The same files, shown so; what is not among them is left out."""
    table = manifest.table.select(SCHEMA.names)
    if not display:
        return Manifest(table)
    shown = [display.get(path, (None, None)) for path in manifest.paths()]
    for field, texts in zip(SHOWN, zip(*shown, strict=True), strict=True):
        table = table.append_column(field, text_array(texts))
    return Manifest(table)


def check_display(display: Display, paths: Collection[str]) -> None:
    """Refuse to show files that are not there, and overlays on what is no image.

    Raises:
        InvalidInputError: it names the file.
    """
    missing = display.keys() - set(paths)
    if missing:
        raise InvalidInputError(
            f"There is no file {min(missing)!r} to be shown.", hint="Paths are from the top."
        )
    for path, shown in display.items():
        target = shown.overlay_of
        if target is not None and (target not in display or display[target].role != Role.IMAGE):
            raise InvalidInputError(
                f"{path!r} is an overlay of {target!r}, which is no image.",
                hint=f"Say that {target!r} is an image.",
            )


class DisplayCheck:
    """Refuses roles that nobody knows, and overlays of what is no image of the version.

    An overlay lies on an image and never on an overlay, so there are no cycles.
    """

    def __init__(self) -> None:
        self._images: list[pa.ChunkedArray] = []
        self._targets: list[pa.ChunkedArray] = []
        self._bytes = 0

    def add(self, table: pa.Table) -> None:
        """Look at some rows of a manifest.

        Raises:
            InvalidManifestError: a role is none, or does not fit what it is of.
        """
        import pyarrow.compute as pc  # noqa: PLC0415 - loads slowly, and a push does not need it

        if not set(SHOWN.names) & set(table.schema.names):
            return
        if not set(SHOWN.names) <= set(table.schema.names):
            raise InvalidManifestError("it has one of the columns role and overlay_of alone.")
        role, target = table["role"], table["overlay_of"]
        known = pc.is_in(role, value_set=text_array([None, *Role]))
        _refuse(table, pc.invert(known), "has a role that nobody knows")
        overlay = pc.fill_null(pc.equal(role, text_array([Role.OVERLAY])[0]), False)
        unfit = pc.not_equal(overlay, pc.is_valid(target))
        _refuse(table, unfit, "is an overlay of nothing, or is none and lies on something")
        image = pc.fill_null(pc.equal(role, text_array([Role.IMAGE])[0]), False)
        self._images.append(table["path"].filter(image))
        self._targets.append(pc.unique(target.drop_null()))
        self._bytes += self._targets[-1].nbytes
        if self._bytes > MAX_TARGETS:
            raise InvalidManifestError("its overlays name too many paths.")

    def finish(self) -> None:
        """Look whether every overlay lies on an image.

        Raises:
            InvalidManifestError: one does not.
        """
        import pyarrow.compute as pc  # noqa: PLC0415

        if not self._images:
            return
        targets = pa.chunked_array(self._targets, pa.string())
        images = pa.chunked_array([c for part in self._images for c in part.chunks], pa.string())
        lost = targets.filter(pc.invert(pc.is_in(targets, value_set=images)))
        if len(lost):
            raise InvalidManifestError(
                f"it has an overlay of {lost[0].as_py()!r}, which is no image of the version."
            )


def _refuse(table: pa.Table, mask: pa.ChunkedArray, why: str) -> None:
    found = table["path"].filter(mask)
    if len(found):
        raise InvalidManifestError(f"{found[0].as_py()!r} {why}.")
