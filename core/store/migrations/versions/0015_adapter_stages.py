"""Stages of adapters: candidate, staging, production, retired."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Name the column after what it holds; what was promoted is in production."""
    op.drop_index("ix_adapters_name_status", "adapters")
    with op.batch_alter_table("adapters") as table:
        table.alter_column("status", new_column_name="stage", existing_type=sa.String(), existing_nullable=False)
    op.execute("UPDATE adapters SET stage = 'production' WHERE stage = 'promoted'")
    op.create_index("ix_adapters_name_stage", "adapters", ["name", "stage"])
