"""``doyen ingest``: documents in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doyen.platform.cli.session import DebugOption, JsonOption, WorkspaceOption, open_session
from doyen.platform.core.errors import InputError


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Folders or files; sources are named relative to each folder.")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Read documents, cut them into chunks and update the index. Only what changed is done again."""
    from doyen.retrieval.pipeline import ingest_documents

    with open_session(workspace, as_json=as_json, debug=debug) as session:
        report = ingest_documents(session.workspace, session.store, paths, reporter=session.reporter)
        session.emit(report.to_json(), report.summary())
        if report.failed and not (report.added or report.updated or report.unchanged):
            raise InputError(f"none of {len(report.failed)} document(s) could be read: see the reasons above")
