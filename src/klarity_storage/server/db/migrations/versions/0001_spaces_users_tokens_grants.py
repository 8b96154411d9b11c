"""Spaces, users, tokens and grants."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from klarity_storage.server.db.types import UtcDateTime, key

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "spaces",
        sa.Column("key", key(128), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(256), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_spaces"),
    )
    op.create_table(
        "users",
        sa.Column("name", key(128), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("administrator", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("disabled_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("name", name="pk_users"),
    )
    _create_tokens()
    _create_grants()


def _create_tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", key(64), nullable=False),
        sa.Column("user", key(128), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime()),
        sa.Column("last_used_at", UtcDateTime()),
        sa.Column("revoked_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.ForeignKeyConstraint(["user"], ["users.name"], name="fk_tokens_user_users"),
        sa.UniqueConstraint("hash", name="uq_tokens_hash"),
    )
    op.create_index("ix_tokens_user", "tokens", ["user"])


def _create_grants() -> None:
    op.create_table(
        "grants",
        sa.Column("id", key(64), nullable=False),
        sa.Column("principal", sa.String(256), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("pattern", sa.String(512), nullable=False),
        sa.Column("space", key(128), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(256), nullable=False),
        sa.Column("expires_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_grants"),
        sa.ForeignKeyConstraint(["space"], ["spaces.key"], name="fk_grants_space_spaces"),
        sa.UniqueConstraint(
            "principal", "pattern", "role", name="uq_grants_principal_pattern_role"
        ),
    )
    op.create_index("ix_grants_space", "grants", ["space"])
