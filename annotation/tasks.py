"""Making annotation tasks: from chunks with drafts, or from given prompts."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from doyen.annotation.drafting import RuleDrafter
from doyen.annotation.projects import get_annotation_project, task_type_of
from doyen.annotation.task_types import TaskType
from doyen.annotation.types.proposals import Draft, Drafter, Excerpt, Proposal
from doyen.annotation.types.typed_labels import PromptResponse
from doyen.core.manifest import now, short_id
from doyen.core.progress import Reporter, Silent
from doyen.core.records import Turn
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationTaskRow, ChunkRow, DocumentRow

GIVEN = "given"
"""Version name of predictions that come from given prompts and not from a drafter."""
OPEN = ("created", "pushed")
"""States of tasks that nobody has labelled."""
COMMIT_EVERY = 20
"""Drafts that a stop may lose: a model's are dear, and a transaction for each would double the time of cheap ones."""


def draft_tasks(
    store: Store,
    project: str,
    *,
    drafter: Drafter | None = None,
    limit: int | None = None,
    sources: Sequence[str] = (),
    reporter: Reporter | None = None,
) -> int:
    """Make one task for each chunk that has none yet, with the drafter's proposal as its prediction.

    Documents take turns, so that a small ``limit`` still reaches many of them. Repeating the call adds nothing.

    Args:
        drafter: proposes labels; the default is by rule. Chunks for which it returns None are left out.
        limit: at most this many new tasks.
        sources: only documents with these sources; all when empty.

    Returns:
        How many tasks were made.

    Raises:
        NotFoundError: there is no such project.
        InputError: it is a review project.
    """
    task_type = task_type_of(get_annotation_project(store, project))
    drafter = drafter or RuleDrafter(task_type)
    with store.session() as session:
        excerpts = list(_open_excerpts(session, project, sources))
    made = 0
    waiting: list[tuple[Excerpt, Draft | Proposal]] = []
    with (reporter or Silent()).bar("drafting tasks", len(excerpts)) as bar:
        for excerpt in excerpts:
            if limit is not None and made >= limit:
                break
            draft = drafter.draft(excerpt)
            bar.advance(1)
            if draft is None:
                continue
            waiting.append((excerpt, draft))
            if len(waiting) >= COMMIT_EVERY or (limit is not None and made + len(waiting) >= limit):
                made += _store(store, project, task_type, waiting, drafter.version)
        made += _store(store, project, task_type, waiting, drafter.version)
    return made


def redraft_tasks(store: Store, project: str, drafter: Drafter, *, reporter: Reporter | None = None) -> int:
    """Replace the drafts of open tasks, which nobody has labelled yet; ``push(…, scores=True)`` sends them again.

    A task keeps its draft where the drafter returns None, or an answer to another question than the task's.

    Returns:
        How many tasks have a new draft.

    Raises:
        NotFoundError: there is no such project.
        InputError: it is a review project, whose drafts are the annotators' answers.
    """
    task_type = task_type_of(get_annotation_project(store, project))
    query = select(AnnotationTaskRow.uid, AnnotationTaskRow.data).where(
        AnnotationTaskRow.project == project, AnnotationTaskRow.state.in_(OPEN)
    )
    with store.session() as session:
        tasks = [(uid, data) for uid, data in session.execute(query.order_by(AnnotationTaskRow.created_at))]
    made = 0
    with (reporter or Silent()).bar("drafting tasks", len(tasks)) as bar:
        for start in range(0, len(tasks), COMMIT_EVERY):
            batch = tasks[start : start + COMMIT_EVERY]
            drafts = {uid: _predictions(task_type, drafter, data) for uid, data in batch}
            with store.session() as session:
                rows = session.scalars(select(AnnotationTaskRow).where(AnnotationTaskRow.uid.in_(drafts)))
                for row in rows.all():
                    drafted = drafts[row.uid]
                    if drafted is not None and row.state in OPEN:
                        row.predictions = drafted
                        made += 1
            bar.advance(len(batch))
    return made


def prompt_tasks(store: Store, project: str, prompts: Iterable[tuple[str, str | None]]) -> int:
    """Make tasks from given prompts that still lack an answer.

    Args:
        prompts: (prompt, source or None); with a source, the chunk of that document that shares most words is shown.

    Returns:
        How many tasks were made; prompts that are there already are not made again.

    Raises:
        NotFoundError: there is no such project.
        InputError: it is a review project.
    """
    task_type = task_type_of(get_annotation_project(store, project))
    made = 0
    with store.session() as session:
        for prompt, source in prompts:
            excerpt = _likeliest_excerpt(session, prompt, source) or _no_excerpt(source)
            made += add_task(session, project, task_type, excerpt, Draft(prompt, "", 0.0), GIVEN)
    return made


def add_task(
    session: Session,
    project: str,
    task_type: TaskType,
    excerpt: Excerpt,
    draft: Draft | Proposal,
    version: str,
    *,
    origin: dict[str, Any] | None = None,
) -> bool:
    """Add one task unless it is there already; return whether it was added."""
    proposal = draft.located(excerpt.text) if isinstance(draft, Draft) else draft
    prompt = proposal.label.prompt if isinstance(proposal.label, PromptResponse) else ""
    uid = task_uid(project, excerpt, prompt)
    if session.get(AnnotationTaskRow, uid) is not None:
        return False
    data = task_data(uid, excerpt, prompt)
    row = new_task_row(project, uid, excerpt, data)
    row.origin = origin
    if proposal.label is not None:
        row.predictions = [task_type.prediction(proposal.label, proposal.score, data, version)]
    session.add(row)
    return True


def _predictions(task_type: TaskType, drafter: Drafter, data: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return a task's drafts as the drafter makes them now; None where it has none for this task."""
    draft = drafter.draft(_excerpt_shown(data))
    proposal = draft.located(data["text"]) if isinstance(draft, Draft) else draft
    if proposal is None:
        return None
    if proposal.label is None:
        return []
    if isinstance(proposal.label, PromptResponse) and data.get("prompt") not in {None, "", proposal.label.prompt}:
        return None
    return [task_type.prediction(proposal.label, proposal.score, data, drafter.version)]


def task_uid(project: str, excerpt: Excerpt, prompt: str) -> str:
    """Return the uid of the task that asks this of an excerpt; the same for the same project."""
    return short_id(project, excerpt.chunk_id or excerpt.text, prompt)


def _store(
    store: Store, project: str, task_type: TaskType, waiting: list[tuple[Excerpt, Draft | Proposal]], version: str
) -> int:
    """Add the waiting drafts in one transaction and empty the list; return how many were new."""
    with store.session() as session:
        made = sum(add_task(session, project, task_type, excerpt, draft, version) for excerpt, draft in waiting)
    waiting.clear()
    return made


def new_task_row(project: str, uid: str, excerpt: Excerpt, data: dict[str, Any]) -> AnnotationTaskRow:
    """Return a row in state "created", without predictions."""
    return AnnotationTaskRow(
        uid=uid,
        project=project,
        external_id=None,
        document_id=excerpt.document_id or None,
        version=excerpt.version or None,
        chunk_id=excerpt.chunk_id or None,
        data=data,
        predictions=[],
        state="created",
        created_at=now(),
    )


def task_data(
    uid: str, excerpt: Excerpt, prompt: str, *, group: str | None = None, history: Sequence[Turn] = ()
) -> dict[str, Any]:
    """Return a task's data as Label Studio stores it: what the screen shows, and the lineage back to the document."""
    where = [excerpt.source, f"page {excerpt.page}" if excerpt.page else "", excerpt.heading]
    return {
        "uid": uid,
        "text": excerpt.text,
        "title": " · ".join(part for part in where if part),
        "conversation": "  ".join(f"[{turn.role}] {turn.content}" for turn in history),
        "prompt": prompt,
        "group": group or uid,
        "history": [turn.model_dump() for turn in history],
        "source": excerpt.source,
        "page": excerpt.page,
        "heading": excerpt.heading,
        "document_id": excerpt.document_id,
        "version": excerpt.version,
        "chunk_id": excerpt.chunk_id,
        "start": excerpt.start,
    }


def excerpt_of(chunk: ChunkRow, source: str) -> Excerpt:
    """Return a chunk as an annotator sees it."""
    return Excerpt(
        text=chunk.text,
        source=source,
        document_id=chunk.document_id,
        version=chunk.version,
        chunk_id=chunk.chunk_id,
        start=chunk.start,
        page=chunk.page,
        heading=chunk.heading,
    )


def _excerpt_shown(data: dict[str, Any]) -> Excerpt:
    """Return the excerpt that a task shows."""
    place = {name: data.get(name) or "" for name in ("source", "document_id", "version", "chunk_id", "heading")}
    return Excerpt(text=data["text"], start=data.get("start") or 0, page=data.get("page"), **place)


def _no_excerpt(source: str | None) -> Excerpt:
    return Excerpt(text="", source=source or "", document_id="", version="", chunk_id="", start=0)


def _open_excerpts(session: Session, project: str, sources: Sequence[str]) -> Iterator[Excerpt]:
    """Yield chunks without a task in this project: every document's first, then every document's second, and so on."""
    taken = set(
        session.scalars(
            select(AnnotationTaskRow.chunk_id).where(
                AnnotationTaskRow.project == project, AnnotationTaskRow.chunk_id.is_not(None)
            )
        )
    )
    query = select(ChunkRow, DocumentRow.source).join(DocumentRow, ChunkRow.document_id == DocumentRow.document_id)
    if sources:
        query = query.where(DocumentRow.source.in_(sources))
    rounds: dict[str, int] = defaultdict(int)
    ordered: list[tuple[int, str, Excerpt]] = []
    for chunk, source in session.execute(query.order_by(DocumentRow.source, ChunkRow.ordinal)):
        if chunk.chunk_id not in taken:
            ordered.append((rounds[source], source, excerpt_of(chunk, source)))
            rounds[source] += 1
    yield from (excerpt for _, _, excerpt in sorted(ordered, key=lambda entry: entry[:2]))


def _likeliest_excerpt(session: Session, prompt: str, source: str | None) -> Excerpt | None:
    """Return the chunk of the document that shares most words with the prompt; the first one among equals."""
    if source is None:
        return None
    query = (
        select(ChunkRow)
        .join(DocumentRow, ChunkRow.document_id == DocumentRow.document_id)
        .where(DocumentRow.source == source)
        .order_by(ChunkRow.ordinal)
    )
    wanted = _words(prompt)
    chunks = list(session.scalars(query))
    best = max(chunks, key=lambda chunk: len(wanted & _words(chunk.text)), default=None)
    return excerpt_of(best, source) if best is not None else None


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w{3,}", text.lower()))
