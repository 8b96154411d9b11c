"""The tables of the control database; db/migrations builds exactly these."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from klarity_storage.server.db.types import UtcDateTime

# names that do not depend on the database, so that a migration can speak of a constraint
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

spaces = Table(
    "spaces",
    metadata,
    Column("key", String(128), primary_key=True),
    Column("description", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(256), nullable=False),
    Column("bucket", String(64), nullable=False, server_default="main"),
    # what it was made as: a bucket whose strategy was changed must not take its spaces along
    Column("strategy", String(16), nullable=False, server_default="reference"),
)

users = Table(
    "users",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("display_name", Text, nullable=False),
    Column("administrator", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("disabled_at", UtcDateTime),
    # whom an issuer of OpenID Connect vouches for; neither is set for users of this server alone
    Column("issuer", String(512)),
    Column("subject", String(255)),
    Index(None, "issuer", "subject", unique=True),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("user", String(128), ForeignKey("users.name"), nullable=False),
    Column("label", Text, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    UniqueConstraint("hash"),
    Index(None, "user"),
)

grants = Table(
    "grants",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("principal", String(256), nullable=False),
    Column("role", String(16), nullable=False),
    Column("pattern", String(512), nullable=False),
    Column("space", String(128), ForeignKey("spaces.key"), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(256), nullable=False),
    Column("expires_at", UtcDateTime),
    # begins with the principal, so it is also the index of every decision's look-up
    UniqueConstraint("principal", "pattern", "role"),
    Index(None, "space"),
)
