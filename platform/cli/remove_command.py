"""``doyen remove``: documents out."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from doyen.platform.cli.session import CliSession, with_session

if TYPE_CHECKING:
    from doyen.ingestion.removal import PurgeReport


@with_session
def remove(
    session: CliSession,
    documents: Annotated[list[str], typer.Argument(help="Sources, as `doyen search` shows them, or document ids.")],
    purge: Annotated[
        bool, typer.Option("--purge", help="Erase all stored copies of the text too: versions, answers, open tasks.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which documents would go.")] = False,
) -> None:
    """Remove documents from the store and the index. Their files stay, and `doyen ingest` leaves them out from now on."""
    from doyen.ingestion.removal import select_documents

    if dry_run:
        found = select_documents(session.doyen.store, documents, purge=purge)[purge]
        shown = [{"id": each.document_id, "source": each.source} for each in found]
        lines = [f"would {'purge' if purge else 'remove'}: {each.source} ({each.document_id})" for each in found]
        session.emit({"dry_run": True, "documents": shown}, "\n".join(lines))
        return
    report = session.doyen.remove(documents, purge=purge)
    lines = [f"removed: {source}" for source in report.removed]
    lines += [f"still used: {use}" for use in report.used_by]
    session.emit(asdict(report), "\n".join([*lines, *(describe(report.purged) if report.purged else ())]))


def describe(purged: PurgeReport) -> list[str]:
    """Return what was erased, and every place that may still hold text of the documents."""
    counts = f"{purged.versions} version(s), {purged.answers} answer(s) and {purged.tasks} annotation task(s)"
    return [f"erased: the text of {counts}", *(f"  still there: {place}" for place in purged.kept)]
