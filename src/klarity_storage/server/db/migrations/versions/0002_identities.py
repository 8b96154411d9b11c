"""Services, groups, tokens that are narrowed, and the generation of what rights are decided by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from klarity_storage.server.db.types import UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column(
        "users", sa.Column("service", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("users", sa.Column("space", sa.String(128)))
    op.add_column(
        "tokens", sa.Column("scopes", sa.JSON(), nullable=False, server_default=sa.text("'[]'"))
    )
    _create_groups()
    generations = op.create_table(
        "generations",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_generations"),
    )
    op.bulk_insert(generations, [{"name": "rights", "value": 0}])


def _create_groups() -> None:
    op.create_table(
        "groups",
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(256), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_groups"),
    )
    op.create_table(
        "group_members",
        sa.Column("group", sa.String(128), nullable=False),
        sa.Column("member", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("group", "member", name="pk_group_members"),
        sa.ForeignKeyConstraint(["group"], ["groups.name"], name="fk_group_members_group_groups"),
        sa.ForeignKeyConstraint(["member"], ["users.name"], name="fk_group_members_member_users"),
    )
    op.create_index("ix_group_members_member", "group_members", ["member"])
