"""Which bucket a space lies in, by which strategy, and how much may lie in it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from klarity_storage.server.db.types import UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column(
        "spaces", sa.Column("bucket", sa.String(64), nullable=False, server_default="main")
    )
    op.add_column(
        "spaces", sa.Column("strategy", sa.String(16), nullable=False, server_default="reference")
    )
    op.add_column("spaces", sa.Column("written_until", UtcDateTime()))
    op.create_table(
        "usage",
        sa.Column("space", sa.String(128), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("objects", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("counted_at", UtcDateTime()),
        sa.Column("max_bytes", sa.BigInteger()),
        sa.Column("max_objects", sa.BigInteger()),
        sa.PrimaryKeyConstraint("space", name="pk_usage"),
        sa.ForeignKeyConstraint(["space"], ["spaces.key"], name="fk_usage_space_spaces"),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.execute("INSERT INTO usage (space) SELECT key FROM spaces")
