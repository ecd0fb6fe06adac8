"""Where the words of a document stand on its pages, and which pages were read by text recognition."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the columns; documents get their boxes when they are read again, which the readers' new version asks for."""
    with op.batch_alter_table("document_versions") as table:
        table.add_column(sa.Column("boxes", sa.LargeBinary(), nullable=True))
        table.add_column(sa.Column("recognised", sa.JSON(), nullable=False, server_default="[]"))
