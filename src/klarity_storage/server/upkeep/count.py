"""Count spaces anew into which others may have written than the server knows of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import and_, or_, select

from klarity_storage.server.db import schema
from klarity_storage.server.services import Services

LIMITED: Final = timedelta(minutes=5)
"""How old the count of a space with a quota becomes while keys to write are out."""

UNLIMITED: Final = timedelta(days=1)


def count_due(services: Services, go_on: Callable[[], bool]) -> None:
    """Count each space whose count is too old for what may have been written since."""
    now = datetime.now(UTC)
    usage, spaces = schema.usage.c, schema.spaces.c
    limited = or_(usage.max_bytes.is_not(None), usage.max_objects.is_not(None))
    old = or_(and_(limited, usage.counted_at < now - LIMITED), usage.counted_at < now - UNLIMITED)
    due = or_(usage.counted_at.is_(None), and_(spaces.written_until > usage.counted_at, old))
    query = select(usage.space).join(schema.spaces, spaces.key == usage.space).where(due)
    with services.database.read() as connection:
        found = list(connection.execute(query.order_by(usage.counted_at)).scalars())
    for space in found:
        if not go_on():
            return
        services.usage.count(space)
