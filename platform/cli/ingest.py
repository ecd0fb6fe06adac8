"""``doyen ingest``: documents in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doyen.platform.cli.session import DebugOption, JsonOption, WorkspaceOption, open_session
from doyen.platform.core.errors import InputError

if TYPE_CHECKING:
    from doyen.ingestion.report import IngestReport


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
        session.emit(report.to_json(), describe(report))
        if report.failed and not (report.added or report.updated or report.unchanged):
            raise InputError(f"none of {len(report.failed)} document(s) could be read: see the reasons above")


def describe(report: IngestReport) -> str:
    """Return what an ingestion did: counts, and every document that could not be taken with its reason."""
    counts: dict[str, Sequence[object]] = {
        "new": report.added,
        "changed": report.updated,
        "unchanged": report.unchanged,
        "removed": report.removed,
        "exact duplicates": report.duplicates,
        "failed": report.failed,
        "skipped": report.skipped,
    }
    shown = ", ".join(f"{len(items)} {name}" for name, items in counts.items() if items) or "nothing to do"
    lines = [f"{shown}; the workspace holds {report.n_documents} documents in {report.n_chunks} chunks"]
    lines += [f"  failed: {source}: {reason}" for source, reason in report.failed]
    lines += [f"  skipped: {source}: {reason}" for source, reason in report.skipped]
    lines += report.stale.describe()
    return "\n".join(lines)
