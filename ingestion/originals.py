"""The files that documents were read from, for those who want to see a page as it is.

A file of a folder stays where it is. An uploaded PDF or picture is kept in the workspace until its document is
replaced or removed.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from doyen.core.errors import StateError
from doyen.core.files import sha256_bytes, write_bytes_atomic
from doyen.core.store import Store
from doyen.core.store.schema import DocumentRow
from doyen.core.workspace import Workspace

PAGED = frozenset({"application/pdf", "image/png", "image/jpeg", "image/tiff"})
"""Media types of the documents whose pages can be shown."""


def keep_original(workspace: Workspace, version: str, data: bytes) -> None:
    """Keep the bytes of an upload, whose SHA-256 is the version."""
    path = workspace.originals_folder / version
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomic(path, data)


def drop_unused_originals(workspace: Workspace, store: Store) -> None:
    """Delete the kept bytes that are no document's current version."""
    with store.session() as session:
        used = set(session.scalars(select(DocumentRow.version).where(DocumentRow.path == "")))
    for path in workspace.originals_folder.glob("*"):
        if path.name not in used:
            path.unlink(missing_ok=True)


def read_original(workspace: Workspace, row: DocumentRow) -> bytes:
    """Return the bytes that a document was read from.

    Raises:
        StateError: the file is gone or has changed since, or the upload was not kept.
    """
    path = Path(row.path) if row.path else workspace.originals_folder / row.version
    try:
        data = path.read_bytes()
    except OSError as error:
        remedy = (
            "put it back, or ingest its folder again (pages of files in archives are not shown)"
            if row.path
            else "upload it again (pages of web addresses are not shown)"
        )
        raise StateError(f"the file of {row.source} cannot be read ({error.strerror or error}): {remedy}") from error
    if sha256_bytes(data) != row.version:
        raise StateError(f"the file of {row.source} has changed since it was read: run `doyen ingest` on its folder")
    return data
