"""Decisions are found by the request that they were made for."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_index("ix_audit_request_id", "audit", ["request_id"])
