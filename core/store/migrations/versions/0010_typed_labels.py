"""Labels as typed labels, beside the regions that they came as."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the columns; a project's labels are read into them when it is next opened, because no description has read them."""
    for name, column in (("annotations", "typed"), ("annotation_decisions", "typed"), ("annotation_tasks", "gold_typed")):
        with op.batch_alter_table(name) as table:
            table.add_column(sa.Column(column, sa.JSON(), nullable=True))
    with op.batch_alter_table("annotation_projects") as table:
        table.add_column(sa.Column("read_under", sa.String(), nullable=False, server_default=""))
