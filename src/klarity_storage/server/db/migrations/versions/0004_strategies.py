"""Which bucket a space lies in, by which strategy, and how much may lie in it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from klarity_storage.server.db.types import UtcDateTime, key

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
    op.add_column("spaces", sa.Column("swept_at", UtcDateTime()))
    _create_usage()
    _create_leases()
    op.create_table(
        "expired_tables",
        sa.Column("space", key(128), nullable=False),
        sa.Column("name", key(128), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("space", "name", name="pk_expired_tables"),
        _of_space("expired_tables"),
    )


def _create_usage() -> None:
    op.create_table(
        "usage",
        sa.Column("space", key(128), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("objects", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("counted_at", UtcDateTime()),
        sa.Column("max_bytes", sa.BigInteger()),
        sa.Column("max_objects", sa.BigInteger()),
        sa.PrimaryKeyConstraint("space", name="pk_usage"),
        _of_space("usage"),
    )
    op.execute("INSERT INTO usage (space) SELECT key FROM spaces")


def _create_leases() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )


def _of_space(table: str) -> sa.ForeignKeyConstraint:
    """What is said of a space goes with it."""
    name = f"fk_{table}_space_spaces"
    return sa.ForeignKeyConstraint(["space"], ["spaces.key"], name=name, ondelete="CASCADE")
