"""Which subject of which issuer of OpenID Connect a user is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("users", sa.Column("issuer", sa.String(512)))
    op.add_column("users", sa.Column("subject", sa.String(255)))
    op.create_index("ix_users_issuer_subject", "users", ["issuer", "subject"], unique=True)
