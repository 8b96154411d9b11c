"""Spaces on their way from one bucket to another."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from klarity_storage.server.db.types import UtcDateTime, key

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("spaces", sa.Column("read_until", UtcDateTime()))
    op.create_table(
        "moves",
        sa.Column("space", key(128), nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("phase", sa.String(16), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("started_by", sa.String(256), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("objects", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("clear_after", UtcDateTime()),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("space", name="pk_moves"),
        sa.ForeignKeyConstraint(
            ["space"], ["spaces.key"], name="fk_moves_space_spaces", ondelete="CASCADE"
        ),
    )
