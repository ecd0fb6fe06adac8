"""Purges that have not finished, and removed files that are told by path or bytes alone."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the table, and drop the column that told a removed file by its source."""
    op.create_table(
        "pending_purges",
        sa.Column("document_id", sa.String(), nullable=False),
        sa.Column("asked_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("document_id"),
    )
    with op.batch_alter_table("document_removals") as table:
        table.drop_column("source_sha256")
