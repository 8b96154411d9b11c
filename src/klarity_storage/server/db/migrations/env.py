"""What Alembic runs: the migrations, on the connection that migrate.py gives."""

from __future__ import annotations

from alembic import context

from klarity_storage.server.db.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite cannot alter a column: Alembic then copies the table
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
