"""What the index holds is told by its own files: the notes about it in the database go."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Drop the table of chunks to remove and the column that marked indexed ones; nothing read them."""
    op.drop_table("index_removals")
    with op.batch_alter_table("chunks") as table:
        table.drop_index(op.f("ix_chunks_indexed"))
        table.drop_column("indexed")
