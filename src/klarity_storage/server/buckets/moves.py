"""Moves of spaces from one bucket to another, as the control database knows them.

    copying ──> final ──> clearing ──> (none)        undoing ──> (none), from copying or final

While a space is copied nothing is written to it: requests are refused, and keys to write that were
out have ended before the last pass begins. That pass makes sure that both buckets hold the same,
then one transaction says that the space lies in the other one. The old objects go when keys to
read them have ended. Each step may be done twice, so a move goes on wherever a server was killed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from klarity_storage.errors import ConflictError
from klarity_storage.protocol.spaces import Move, Phase, Strategy
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.buckets.copy import Copier, is_empty
from klarity_storage.server.buckets.public import publish
from klarity_storage.server.db import schema
from klarity_storage.server.db.engine import Database
from klarity_storage.server.rights.cache import RightsCache

AFTER: Final = timedelta(minutes=5)
"""How long after the last keys ended requests with them may still run."""

_MOVES: Final = schema.moves.c


@dataclass(frozen=True, slots=True)
class MoveRow:
    """A move as it stands."""

    space: str
    source: str
    target: str
    phase: Phase
    started_by: str
    clear_after: datetime | None


class MoveBook:
    """What is moved where, and how far that is; for all servers.

    Args:
        database: where it is kept.
        rights: told when a space becomes public, or is it no more.
    """

    def __init__(self, database: Database, rights: RightsCache) -> None:
        self._database = database
        self._rights = rights
        self.copiers: dict[tuple[str, str, str], Copier] = {}
        """What this process knows of its copies, by space, source and target."""

    def all(self) -> list[MoveRow]:
        """Every move that is not over, the oldest first."""
        fields = [_MOVES[name] for name in MoveRow.__slots__]
        with self._database.read() as connection:
            rows = connection.execute(select(*fields).order_by(_MOVES.started_at)).all()
        return [MoveRow(**(row._asdict() | {"phase": Phase(row.phase)})) for row in rows]

    def find(self, space: str) -> Move | None:
        """What is said of a space that is being moved."""
        spaces = schema.spaces.c
        query = select(schema.moves, spaces.written_until).join(
            schema.spaces, spaces.key == _MOVES.space
        )
        with self._database.read() as connection:
            row = connection.execute(query.where(_MOVES.space == space)).one_or_none()
        if row is None:
            return None
        phase = Phase(row.phase)
        waits = {Phase.COPYING: row.written_until, Phase.CLEARING: row.clear_after}.get(phase)
        return Move(
            bucket=row.target,
            phase=phase,
            bytes=row.bytes,
            objects=row.objects,
            waits_until=waits if waits and waits > datetime.now(UTC) else None,
            error=row.error,
        )

    def start(self, space: str, source: Bucket, target: Bucket, by: str) -> None:
        """Begin to move a space.

        Raises:
            ConflictError: it lies there, is being moved, or the move would break what the
                strategy of its bucket promises.
            UnavailableError: an engine does not answer.
        """
        _check_strategies(space, source, target)
        if not is_empty(target.store, space):
            raise ConflictError(
                f"The bucket {target.name} has objects of a space {space} already.",
                hint="Another server's, or an earlier one's: look at them, and move them away.",
            )
        row = {
            "space": space,
            "source": source.name,
            "target": target.name,
            "phase": Phase.COPYING.value,
            "started_at": datetime.now(UTC),
            "started_by": by,
        }
        try:
            with self._database.write() as connection:
                connection.execute(insert(schema.moves).values(row))
        except IntegrityError:
            raise ConflictError(
                f"The space {space} is being moved already.", hint=f"ks space show {space}"
            ) from None

    def cancel(self, space: str) -> None:
        """Let a space stay where it lies; what was copied is deleted.

        Raises:
            ConflictError: it is not being moved, or lies in the other bucket already.
        """
        undone = {"phase": Phase.UNDOING.value, "error": None}
        with self._database.write() as connection:
            if not self._change(connection, space, (Phase.COPYING, Phase.FINAL), undone):
                raise ConflictError(
                    f"There is no move of {space} to cancel.", hint=f"ks space show {space}"
                )

    def note(self, space: str, size: int, objects: int, error: str | None = None) -> None:
        """Note how much more was copied, or why it does not go on."""
        noted = {
            "bytes": _MOVES.bytes + size,
            "objects": _MOVES.objects + objects,
            "error": error,
        }
        with self._database.write() as connection:
            connection.execute(update(schema.moves).where(_MOVES.space == space).values(noted))

    def finish_writes(self, space: str) -> bool:
        """Let the last pass begin, if no keys to write are out any more."""
        with self._database.write() as connection:
            column = schema.spaces.c.written_until
            until = connection.execute(select(column).where(schema.spaces.c.key == space))
            out = until.scalar_one()
            if out is not None and out > datetime.now(UTC):
                return False
            return self._change(connection, space, (Phase.COPYING,), {"phase": Phase.FINAL.value})

    def switch(self, move: MoveRow, target: Bucket) -> bool:
        """Let a space lie in its new bucket; False when the move was cancelled meanwhile."""
        with self._rights.change() as connection:
            mine = schema.spaces.c.key == move.space
            read_until = connection.execute(
                select(schema.spaces.c.read_until).where(mine)
            ).scalar_one()
            now = datetime.now(UTC)
            over = {
                "phase": Phase.CLEARING.value,
                "error": None,
                "clear_after": max(now, read_until or now) + AFTER,
            }
            if not self._change(connection, move.space, (Phase.FINAL,), over):
                return False
            lies = {"bucket": target.name, "strategy": target.strategy.value, "swept_at": None}
            connection.execute(update(schema.spaces).where(mine).values(lies))
            publish(connection, move.space, public=target.public)
        return True

    def goes_on(self, space: str) -> bool:
        """Whether a space is still being copied."""
        copied = [Phase.COPYING.value, Phase.FINAL.value]
        query = select(_MOVES.space).where(_MOVES.space == space, _MOVES.phase.in_(copied))
        with self._database.read() as connection:
            return connection.execute(query).one_or_none() is not None

    def end(self, space: str, phase: Phase) -> None:
        """Forget a move whose last step is done."""
        mine = (_MOVES.space == space, _MOVES.phase == phase.value)
        with self._database.write() as connection:
            connection.execute(delete(schema.moves).where(*mine))

    @staticmethod
    def _change(
        connection: Connection, space: str, of: tuple[Phase, ...], values: dict[str, Any]
    ) -> bool:
        mine = (_MOVES.space == space, _MOVES.phase.in_([phase.value for phase in of]))
        return bool(connection.execute(update(schema.moves).where(*mine).values(values)).rowcount)


def _check_strategies(space: str, source: Bucket, target: Bucket) -> None:
    """Refuse what would break a promise; whoever wants that makes another space and pushes."""
    if source.name == target.name:
        raise ConflictError(
            f"The space {space} lies in the bucket {target.name} already.", hint="ks space ls"
        )
    reason = None
    if target.expires_after is not None:
        if source.strategy is not Strategy.SCRATCH:
            reason = f"{source.strategy} keeps its history, which would expire there"
        elif source.expires_after is not None and target.expires_after < source.expires_after:
            reason = f"it would expire after {target.expires_after.days} days there"
    elif target.public and not source.public:
        reason = "anyone could read it there, without a token too"
    if reason is not None:
        raise ConflictError(
            f"The space {space} cannot be moved to the bucket {target.name}: {reason}.",
            hint=f"Make another space in it, and push what may be so: "
            f"ks space create NAME --bucket {target.name}",
        )
