"""Files that no version of a table needs any more, listed or deleted."""

from __future__ import annotations

import math
import re
from datetime import timedelta

import obstore
from deltalake.exceptions import DeltaError

from klarity_storage.errors import InvalidInputError
from klarity_storage.protocol.tables import UnusedFile, Vacuumed
from klarity_storage.tables.change import Change, changing
from klarity_storage.tables.commit import HOOKS, Signature
from klarity_storage.tables.location import Locate, open_store

_TOO_SHORT = re.compile(r"minimum retention .*? (\d+) hours")


def vacuum_table(
    locate: Locate,
    keep: timedelta | None,
    signature: Signature,
    *,
    dry_run: bool = True,
    force: bool = False,
) -> Vacuumed:
    """List the files that only versions older than ``keep`` need, and those that no commit names.

    Deleted without ``dry_run``; the older versions are then gone for ever, while the history of who
    did what stays. Files that are younger than ``keep`` always stay: they may belong to a write
    that is under way.

    Args:
        locate: finds the table, with keys to delete.
        keep: how far back versions stay readable, in whole hours; as the table says without it
            (``delta.deletedFileRetentionDuration``, a week).
        signature: who does it and why.
        dry_run: only list.
        force: whether ``keep`` may be less than the table says: then writes that are under way, and
            readers of older versions, may lose their files.

    Raises:
        InvalidInputError: ``keep`` is less than the table says.
    """
    if keep is not None and keep < timedelta(0):
        raise InvalidInputError("Versions cannot be kept for less than no time.")
    with changing(locate) as change:
        found = _listed(change, _run(change, keep, signature, dry_run=True, force=force))
        if not dry_run and found:
            gone = set(_run(change, keep, signature, dry_run=False, force=force))
            found = [file for file in found if file.path in gone]
        return Vacuumed(
            dry_run=dry_run, files=len(found), bytes=sum(f.size for f in found), items=found
        )


def _run(
    change: Change, keep: timedelta | None, signature: Signature, *, dry_run: bool, force: bool
) -> list[str]:
    hours = None if keep is None else math.ceil(keep / timedelta(hours=1))
    try:
        return change.table.vacuum(
            hours,
            dry_run=dry_run,
            enforce_retention_duration=not force,
            full=True,  # also what was uploaded and never committed
            commit_properties=signature.commit(),
            post_commithook_properties=HOOKS,
        )
    except DeltaError as error:
        least = _TOO_SHORT.search(str(error))
        if least is None:
            raise
        raise InvalidInputError(
            f"The table {change.location.name} keeps its versions for {least[1]} hours at least, "
            f"not {hours}.",
            hint="Keep them longer, or force it: running writes and readers may lose their files.",
        ) from error


def _listed(change: Change, paths: list[str]) -> list[UnusedFile]:
    if not paths:
        return []
    wanted = set(paths)
    return [
        UnusedFile(item["path"], item["size"], item["last_modified"])
        for page in obstore.list(open_store(change.location))
        for item in page
        if item["path"] in wanted
    ]
