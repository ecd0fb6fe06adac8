"""Review projects, gold items, stale tasks and decisions."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns and the table; existing projects are annotation projects without a description."""
    with op.batch_alter_table("annotation_projects") as table:
        table.add_column(sa.Column("description", sa.JSON(), nullable=False, server_default="{}"))
        table.add_column(sa.Column("purpose", sa.String(), nullable=False, server_default="annotation"))
        table.add_column(sa.Column("parent", sa.String(), nullable=True))
    with op.batch_alter_table("annotation_tasks") as table:
        table.add_column(sa.Column("stale", sa.String(), nullable=True))
        table.add_column(sa.Column("gold", sa.JSON(), nullable=True))
        table.add_column(sa.Column("origin", sa.JSON(), nullable=True))
    op.create_table(
        "annotation_decisions",
        sa.Column("decision_id", sa.String(), nullable=False),
        sa.Column("task_uid", sa.String(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("decided_at", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["task_uid"], ["annotation_tasks.uid"]),
        sa.PrimaryKeyConstraint("decision_id"),
    )
    op.create_index(op.f("ix_annotation_decisions_task_uid"), "annotation_decisions", ["task_uid"], unique=False)
