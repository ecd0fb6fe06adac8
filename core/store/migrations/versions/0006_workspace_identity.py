"""An id of the workspace that moves with it, how many people label a task, and tasks that people skipped."""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the table with the workspace's id, and the columns; the next push asks two people for one task in five."""
    workspace = op.create_table(
        "workspace", sa.Column("workspace_id", sa.String(), nullable=False), sa.PrimaryKeyConstraint("workspace_id")
    )
    op.bulk_insert(workspace, [{"workspace_id": uuid4().hex}])
    with op.batch_alter_table("annotation_projects") as table:
        table.add_column(sa.Column("overlap", sa.Integer(), nullable=False, server_default="2"))
        table.add_column(sa.Column("overlap_share", sa.Double(), nullable=False, server_default="0.2"))
    op.execute("UPDATE annotation_projects SET overlap = 1 WHERE purpose = 'review'")
    with op.batch_alter_table("annotation_tasks") as table:
        table.add_column(sa.Column("overlap", sa.Integer(), nullable=False, server_default="1"))
        table.add_column(sa.Column("skipped", sa.Integer(), nullable=False, server_default="0"))
