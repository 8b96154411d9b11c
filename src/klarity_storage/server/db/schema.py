"""The tables of the control database; db/migrations builds exactly these."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from klarity_storage.server.db.types import UtcDateTime, key

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
    Column("key", key(128), primary_key=True),
    Column("description", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(256), nullable=False),
    Column("bucket", String(64), nullable=False, server_default="main"),
    # what it was made as: a bucket whose strategy was changed must not take its spaces along
    Column("strategy", String(16), nullable=False, server_default="reference"),
    # until when keys to write are out; rounded up, so that few requests have to note it
    Column("written_until", UtcDateTime),
    # the same of keys to read
    Column("read_until", UtcDateTime),
    # when what has expired in it was looked for last
    Column("swept_at", UtcDateTime),
)

expired_tables = Table(
    "expired_tables",
    metadata,
    Column("space", key(128), ForeignKey("spaces.key", ondelete="CASCADE"), primary_key=True),
    Column("name", key(128), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
)

moves = Table(
    "moves",
    metadata,
    Column("space", key(128), ForeignKey("spaces.key", ondelete="CASCADE"), primary_key=True),
    Column("source", String(64), nullable=False),
    Column("target", String(64), nullable=False),
    Column("phase", String(16), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("started_by", String(256), nullable=False),
    # copied so far
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("objects", BigInteger, nullable=False, server_default="0"),
    # when the old objects may go
    Column("clear_after", UtcDateTime),
    # why it did not go on the last time
    Column("error", Text),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("until", UtcDateTime, nullable=False),
)

usage = Table(
    "usage",
    metadata,
    Column("space", key(128), ForeignKey("spaces.key", ondelete="CASCADE"), primary_key=True),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("objects", BigInteger, nullable=False, server_default="0"),
    # none before the space was counted for the first time
    Column("counted_at", UtcDateTime),
    Column("max_bytes", BigInteger),
    Column("max_objects", BigInteger),
)

users = Table(
    "users",
    metadata,
    Column("name", key(128), primary_key=True),
    Column("display_name", Text, nullable=False),
    Column("administrator", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("disabled_at", UtcDateTime),
    # a machine account, which the owners of its space administer; that is no foreign key, as SQLite
    # adds none to a table that is there, and spaces stay
    Column("service", Boolean, nullable=False, server_default=false()),
    Column("space", String(128)),
    # whom an issuer of OpenID Connect vouches for; neither is set for users of this server alone
    Column("issuer", String(512)),
    Column("subject", String(255)),
    Index(None, "issuer", "subject", unique=True),
)
"""Users and services: one namespace, so that no two callers are ever taken for each other."""

groups = Table(
    "groups",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("description", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(256), nullable=False),
)

group_members = Table(
    "group_members",
    metadata,
    Column("group", String(128), ForeignKey("groups.name"), primary_key=True),
    Column("member", String(128), ForeignKey("users.name"), primary_key=True),
    Index(None, "member"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", key(64), primary_key=True),
    Column("user", key(128), ForeignKey("users.name"), nullable=False),
    Column("label", Text, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("scopes", JSON, nullable=False, server_default=text("'[]'")),
    UniqueConstraint("hash"),
    Index(None, "user"),
)

grants = Table(
    "grants",
    metadata,
    Column("id", key(64), primary_key=True),
    Column("principal", String(256), nullable=False),
    Column("role", String(16), nullable=False),
    Column("pattern", String(512), nullable=False),
    Column("space", key(128), ForeignKey("spaces.key"), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(256), nullable=False),
    Column("expires_at", UtcDateTime),
    # begins with the principal, so it is also the index of every decision's look-up
    UniqueConstraint("principal", "pattern", "role"),
    Index(None, "space"),
)

generations = Table(
    "generations",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
"""Numbers that rise with each change of what processes keep in memory: ``rights``."""

audit = Table(
    "audit",
    metadata,
    # the order in which events can be seen; SQLite counts only in INTEGER
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("day", key(10), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("token_id", Text),
    Column("remote", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("scope", Text),
    Column("space", Text),
    Column("about", Text, nullable=False),
    Column("allowed", Boolean, nullable=False),
    Column("hidden", Boolean, nullable=False),
    Column("via", Text),
    Column("grant_version", Text),
    Column("reason", Text, nullable=False),
    Index(None, "principal", "id"),
    Index(None, "space", "id"),
    Index(None, "day"),
    Index(None, "request_id"),
)
"""Decisions, where several servers share the database; triggers refuse to change or delete any."""

audit_drops = Table("audit_drops", metadata, Column("before", key(10), primary_key=True))
"""Days (YYYY-MM-DD) before which decisions may be deleted."""
