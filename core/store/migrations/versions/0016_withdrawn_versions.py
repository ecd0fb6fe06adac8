"""Versions of documents that were removed, which are not given out when a document of the same name comes back."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Withdraw the versions of documents that are gone."""
    with op.batch_alter_table("document_versions") as table:
        table.add_column(sa.Column("withdrawn", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("UPDATE document_versions SET withdrawn = true WHERE document_id NOT IN (SELECT document_id FROM documents)")
