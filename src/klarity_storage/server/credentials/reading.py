"""Keys with which the server itself reads a table: to that table, and to nothing else."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from klarity_storage.layout import Name
from klarity_storage.protocol.credentials import S3Credentials
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.buckets.buckets import Buckets
from klarity_storage.server.credentials.policy import compile_policy

DURATION: Final = 3600
LEFT: Final = timedelta(minutes=20)
"""How long keys that are given out are good for at least: longer than a query may take."""

_KEPT: Final = 1024


class ReadingKeys:
    """Temporary keys by table, kept as long as they are good.

    Whoever may write a table's log could name files of another one in it: the engine refuses these
    keys what the server's own would open.
    """

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, Name], S3Credentials] = OrderedDict()

    def to(self, table: Name) -> S3Credentials:
        """Keys that read a table; whoever asks has required the right to it.

        Raises:
            UnavailableError: the engine does not answer.
        """
        bucket = self._buckets.of(table.space)
        place = (bucket.name, table)
        with self._lock:
            known = self._known.get(place)
        if known is None or (known.expires_at or datetime.now(UTC)) < datetime.now(UTC) + LEFT:
            known = _issue(bucket, table)
            with self._lock:
                self._known[place] = known
                while len(self._known) > _KEPT:
                    self._known.popitem(last=False)
        return known


def _issue(bucket: Bucket, table: Name) -> S3Credentials:
    own = bucket.engine.credentials
    policy = compile_policy(own.bucket, read=[table.prefix])
    given = bucket.engine.assume(policy, "server-query", DURATION)
    # the server reaches the engine by its own way, whatever address clients are given
    return msgspec.structs.replace(given, endpoint=own.endpoint, prefixes=[table.prefix])
