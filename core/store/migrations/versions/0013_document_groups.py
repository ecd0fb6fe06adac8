"""Groups of documents, and who asked for an answer."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Make the tables; documents have no groups at first, and answers of the time before have no caller's name."""
    op.create_table(
        "document_access",
        sa.Column("document_id", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("document_id"),
    )
    op.create_table(
        "document_groups",
        sa.Column("document_id", sa.String(), nullable=False),
        sa.Column("group", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("document_id", "group"),
    )
    with op.batch_alter_table("workspace") as table:
        table.add_column(sa.Column("access_revision", sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("answers") as table:
        table.add_column(sa.Column("caller", sa.String(), nullable=False, server_default=""))
