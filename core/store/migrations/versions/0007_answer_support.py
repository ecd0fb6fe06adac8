"""Whether an answer's figures stand in the sentences that it cites."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the column; older answers were not checked."""
    with op.batch_alter_table("answers") as table:
        table.add_column(sa.Column("support", sa.String(), nullable=False, server_default="not_checked"))
