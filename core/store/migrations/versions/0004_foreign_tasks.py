"""How many tasks of others a project holds where people label."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column; with no such tasks known, the next pull that counts more than ours compares all ids."""
    with op.batch_alter_table("annotation_projects") as table:
        table.add_column(sa.Column("foreign_tasks", sa.Integer(), nullable=False, server_default="0"))
