"""A table as it was: one commit, after which it holds what it held at an older version."""

from __future__ import annotations

from datetime import datetime

from deltalake.exceptions import DeltaError

from klarity_storage.errors import InvalidReferenceError, VersionNotFoundError
from klarity_storage.protocol.tables import TableInfo
from klarity_storage.tables.change import changing
from klarity_storage.tables.commit import HOOKS, Signature
from klarity_storage.tables.describe import describe_table
from klarity_storage.tables.location import Locate
from klarity_storage.tables.snapshot import open_snapshot


def restore_table(
    locate: Locate, version: int | None, timestamp: datetime | None, signature: Signature
) -> TableInfo:
    """Make a table what it was at a version or a time; the versions since then stay readable.

    Raises:
        VersionNotFoundError: there is no such version, or its files were vacuumed.
        InvalidReferenceError: not exactly one of the two was given.
        ConflictError: somebody else changed the table meanwhile.
    """
    if (version is None) == (timestamp is None):
        raise InvalidReferenceError("Give a version or a timestamp to restore.")
    with changing(locate, brief=True) as change:
        wanted = open_snapshot(change.location, version, timestamp).version()
        if wanted != change.table.version():
            try:
                change.table.restore(
                    wanted,
                    commit_properties=signature.commit(),
                    post_commithook_properties=HOOKS,
                )
            except DeltaError as error:
                if "missing file" not in str(error):
                    raise
                raise VersionNotFoundError(
                    f"Files of version {wanted} of {change.location.name} were vacuumed.",
                    hint=f"ks table history {change.location.name} lists the versions.",
                ) from error
        return describe_table(change.location)
