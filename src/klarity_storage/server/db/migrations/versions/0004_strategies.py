"""Which bucket a space lies in, and by which strategy."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column(
        "spaces", sa.Column("bucket", sa.String(64), nullable=False, server_default="main")
    )
    op.add_column(
        "spaces", sa.Column("strategy", sa.String(16), nullable=False, server_default="reference")
    )
