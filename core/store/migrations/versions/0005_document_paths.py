"""Where on disk a document lies, and which documents were removed on purpose."""

from collections.abc import Iterator
from os.path import exists, realpath
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column and the table; paths of known documents follow from their root and source."""
    with op.batch_alter_table("documents") as table:
        table.add_column(sa.Column("path", sa.String(), nullable=False, server_default=""))
        table.create_index(op.f("ix_documents_path"), ["path"])
    op.create_table(
        "document_removals",
        sa.Column("path_sha256", sa.String(), nullable=False),
        sa.Column("source_sha256", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("removed_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("path_sha256"),
    )
    documents = sa.table("documents", sa.column("document_id"), sa.column("root"), sa.column("source"), sa.column("path"))
    connection = op.get_bind()
    rows = connection.execute(sa.select(documents.c.document_id, documents.c.root, documents.c.source)).all()
    for document_id, root, source in rows:
        if root:
            candidates = list(_candidates(root, source))
            path = realpath(next((path for path in candidates if exists(path)), candidates[0]))
            connection.execute(documents.update().where(documents.c.document_id == document_id).values(path=path))


def _candidates(root: str, source: str) -> Iterator[Path]:
    """Yield where the file may be: a source that another root had taken got a folder's name in front."""
    yield Path(root) / source
    first, _, rest = source.partition("/")
    if rest and first.startswith(Path(root).name or "root"):
        yield Path(root) / rest
