"""Erasing what is stored of removed documents: their versions, and the copies in answers and annotation tasks.

What people made (labels, feedback, datasets and adapters trained on them) is kept, and named with where it lies, so that
its owners can decide.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from doyen.annotation.stale import purge_tasks
from doyen.core.errors import Busy
from doyen.core.manifest import now
from doyen.core.store import Store
from doyen.core.store.schema import AnswerRow, DocumentVersionRow, FeedbackRow, PendingPurgeRow, WebFetchRow
from doyen.core.workspace import Workspace
from doyen.ingestion.removal import Named, PurgeReport


def purge(workspace: Workspace, store: Store, documents: Sequence[Named]) -> PurgeReport:
    """Erase the stored texts of documents that have been removed, but not yet from the files: see ``finish_purge``.

    It may be stopped anywhere and run again: what tells which answers and tasks to erase goes last.
    """
    report = PurgeReport()
    ids = {document.document_id for document in documents}
    with store.session() as session:
        for document_id in ids:
            session.merge(PendingPurgeRow(document_id=document_id, asked_at=now()))
        answers = {row.answer_id for row in _shown(session, documents)}
    report.tasks, kept = purge_tasks(workspace, store, ids, answers)
    with store.session() as session:
        gone = session.execute(delete(DocumentVersionRow).where(DocumentVersionRow.document_id.in_(ids)))
        report.versions = gone.rowcount  # type: ignore[attr-defined]
        session.execute(delete(WebFetchRow).where(WebFetchRow.url.in_({document.source for document in documents})))
        _purge_answers(session, documents, report)
    report.kept += kept
    sources = {document.source for document in documents}
    report.kept += [*_datasets(workspace.datasets_folder, sources), *_reports(workspace.reports_folder, ids)]
    report.kept += _runs(workspace)
    return report


def finish_purge(store: Store) -> bool:
    """Clear the database's files of erased texts, once the index is written anew; then no purge is pending any more.

    Returns:
        False where another process is using the database, so that the purge stays pending.
    """
    if not store.compact():
        return False
    with store.session() as session:
        session.execute(delete(PendingPurgeRow))
    return True


def _shown(session: Session, documents: Sequence[Named]) -> list[AnswerRow]:
    """Return the answers that were shown passages of the documents."""
    ids, sources = {each.document_id for each in documents}, {each.source for each in documents}
    return [
        row
        for row in session.scalars(select(AnswerRow))
        if any(item.get("document_id") in ids or item.get("source") in sources for item in [*row.passages, *row.citations])
    ]


def _purge_answers(session: Session, documents: Sequence[Named], report: PurgeReport) -> None:
    """Erase the answers that were shown the documents, also where later conversations repeat them."""
    ids = {each.document_id for each in documents}
    with_feedback = set(session.scalars(select(FeedbackRow.answer_id)))
    shown, emptied = _shown(session, documents), 0
    said = {row.answer for row in shown}
    for row in shown:
        if row.answer_id in with_feedback:
            row.answer, row.history, emptied = "", [], emptied + 1
            row.passages = [item for item in row.passages if item.get("document_id") not in ids]
            row.citations = []
        else:
            session.delete(row)
    for row in session.scalars(select(AnswerRow)).all():
        row.history = list(_without(row.history, said - {""}))
    report.answers = len(shown)
    if emptied:
        report.kept.append(f"{emptied} question(s) and the feedback on their answers, which people wrote")


def _without(history: Sequence[dict[str, Any]], said: Collection[str]) -> Iterator[dict[str, Any]]:
    """Yield the turns of a conversation but those that repeat an erased answer, and the questions before them."""
    for number, turn in enumerate(history):
        following = history[number + 1] if number + 1 < len(history) else {"content": None}
        repeated = turn["content"] in said or (turn["role"] == "user" and following["content"] in said)
        if not repeated:
            yield turn


def _runs(workspace: Workspace) -> Iterator[str]:
    """Delete interrupted trainings, whose examples hold passages as tokens; yield a sentence for each that is going on."""
    for run in sorted(workspace.runs_folder.glob("*")):
        try:
            with workspace.training_lock(run.name, "the purge"):
                shutil.rmtree(run, ignore_errors=True)
        except Busy:
            yield f"the examples of a training that is going on in {run}: they go when it ends"


def _datasets(folder: Path, sources: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each dataset with pairs about the sources."""
    for dataset in sorted(folder.glob("*/manifest.json")):
        pairs = [pair for part in ("train", "validation", "test") for pair in _lines(dataset.with_name(f"{part}.jsonl"))]
        count = sum(pair.get("source") in sources for pair in pairs)
        if count:
            yield (
                f"{count} labelled pair(s) in dataset {dataset.parent.name}, and the adapters trained on it: build and train "
                f"again without them, then delete {dataset.parent} and the adapters"
            )


def _reports(folder: Path, ids: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each evaluation whose answers were shown the documents."""
    for answers in sorted(folder.glob("*/answers.jsonl")):
        shown = sum(any(item.get("document_id") in ids for item in line.get("passages", ())) for line in _lines(answers))
        if shown:
            yield f"{shown} answer(s) of the evaluation in {answers.parent.resolve()}: delete that folder"


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.is_file():
        with path.open(encoding="utf-8") as stream:
            yield from (json.loads(line) for line in stream if line.strip())
