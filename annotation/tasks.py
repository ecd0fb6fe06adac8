"""Making annotation tasks: from chunks or texts with drafts, or from given prompts.

Functions that take a project raise NotFoundError where there is none, and InputError for a review project.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

from doyen.annotation.store import OPEN, Session, get_annotation_project, new_task_row, task_type_of, tasks_in
from doyen.annotation.task_sources import likeliest_excerpt, open_excerpts
from doyen.annotation.task_types import TaskType
from doyen.annotation.texts import PlainText
from doyen.annotation.types.drafter import Draft, Drafter, Excerpt
from doyen.annotation.types.typed_labels import prompt_of
from doyen.core.manifest import short_id
from doyen.core.progress import Reporter, Silent
from doyen.core.records import Turn
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationTaskRow

GIVEN = "given"
"""Version name of predictions that come from given prompts and not from a drafter."""
COMMIT_EVERY = 20
"""Drafts that a stop may lose: a model's are dear, and a transaction for each would double the time of cheap ones."""
Origin: TypeAlias = dict[str, Any] | None
"""Where a task came from if not from a chunk."""
Shown: TypeAlias = tuple[Excerpt, Origin]


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
    """
    with store.session() as session:
        shown: list[Shown] = [(excerpt, None) for excerpt in open_excerpts(session, project, sources)]
    return _draft_each(store, project, shown, drafter, limit, reporter)


def open_chunks(store: Store, project: str, sources: Sequence[str] = ()) -> list[Excerpt]:
    """Return the chunks from which ``draft_tasks`` would make tasks, in its order.

    Args:
        sources: only of these documents; all when empty.
    """
    get_annotation_project(store, project)
    with store.session() as session:
        return open_excerpts(session, project, sources)


def text_tasks(
    store: Store,
    project: str,
    texts: Iterable[PlainText],
    *,
    drafter: Drafter | None = None,
    limit: int | None = None,
    reporter: Reporter | None = None,
) -> int:
    """Make one task for each text that has none yet, as ``draft_tasks`` does for chunks; equal texts are one task."""
    shown: list[Shown] = [(Excerpt(text.text), {"file": text.file, "id": text.id}) for text in texts]
    return _draft_each(store, project, shown, drafter, limit, reporter)


def _draft_each(
    store: Store,
    project: str,
    shown: Sequence[Shown],
    drafter: Drafter | None,
    limit: int | None,
    reporter: Reporter | None,
) -> int:
    task_type = task_type_of(get_annotation_project(store, project))
    drafter = drafter or task_type
    made = 0
    waiting: list[tuple[Excerpt, Draft, Origin]] = []

    def store_waiting() -> int:
        with store.session() as session:
            new = [
                add_task(session, project, task_type, shown, draft, drafter.version, origin) for shown, draft, origin in waiting
            ]
        waiting.clear()
        return sum(new)

    with (reporter or Silent()).bar("drafting tasks", len(shown)) as bar:
        for excerpt, origin in shown:
            if limit is not None and made >= limit:
                break
            draft = drafter.draft(excerpt)
            bar.advance(1)
            if draft is not None:
                waiting.append((excerpt, draft, origin))
            if len(waiting) >= COMMIT_EVERY or (limit is not None and made + len(waiting) >= limit):
                made += store_waiting()
        return made + store_waiting()


def redraft_tasks(store: Store, project: str, drafter: Drafter, *, reporter: Reporter | None = None) -> int:
    """Replace the drafts of open tasks, which nobody has labelled yet; ``push(…, scores=True)`` sends them again.

    A task keeps its draft where the drafter returns None, or an answer to another question than the task's.

    Returns:
        How many tasks have a new draft.
    """
    task_type = task_type_of(get_annotation_project(store, project))
    with store.session() as session:
        tasks = tasks_in(session, project, states=OPEN)
    made = 0
    with (reporter or Silent()).bar("drafting tasks", len(tasks)) as bar:
        for start in range(0, len(tasks), COMMIT_EVERY):
            drafts = {task.uid: _redraft(task_type, drafter, task.data) for task in tasks[start : start + COMMIT_EVERY]}
            with store.session() as session:
                for row in tasks_in(session, project, uids=drafts):
                    drafted = drafts[row.uid]
                    if drafted is not None and row.state in OPEN:
                        row.predictions = drafted
                        made += 1
            bar.advance(len(drafts))
    return made


def prompt_tasks(store: Store, project: str, prompts: Iterable[tuple[str, str | None]]) -> int:
    """Make tasks from given prompts that still lack an answer.

    Args:
        prompts: (prompt, source or None); with a source, the chunk of that document that shares most words is shown.

    Returns:
        How many tasks were made; prompts that are there already are not made again.
    """
    task_type = task_type_of(get_annotation_project(store, project))
    made = 0
    with store.session() as session:
        for prompt, source in prompts:
            excerpt = likeliest_excerpt(session, prompt, source) if source else None
            excerpt = excerpt or Excerpt("", source=source or "")
            made += add_task(session, project, task_type, excerpt, Draft.of_answer(excerpt.text, prompt, "", 0.0), GIVEN)
    return made


def add_task(
    session: Session,
    project: str,
    task_type: TaskType,
    excerpt: Excerpt,
    draft: Draft,
    version: str,
    origin: Origin = None,
) -> bool:
    """Add one task unless it is there already; return whether it was added."""
    prompt = prompt_of(draft.label)
    uid = task_uid(project, excerpt, prompt)
    if session.get(AnnotationTaskRow, uid) is not None:
        return False
    data = task_data(uid, excerpt, prompt)
    row = new_task_row(project, data)
    row.origin = origin
    row.predictions = _predictions(task_type, draft, data, version)
    session.add(row)
    return True


def _predictions(task_type: TaskType, draft: Draft, data: dict[str, Any], version: str) -> list[dict[str, Any]]:
    return [] if draft.label is None else [task_type.prediction(draft.label, draft.score, data, version)]


def _redraft(task_type: TaskType, drafter: Drafter, data: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return a task's drafts as the drafter makes them now; None where it has none for this task."""
    draft = drafter.draft(excerpt_shown(data))
    if draft is None:
        return None
    if prompt_of(draft.label) and data.get("prompt") not in {None, "", prompt_of(draft.label)}:
        return None
    return _predictions(task_type, draft, data, drafter.version)


def task_uid(project: str, excerpt: Excerpt, prompt: str) -> str:
    """Return the uid of the task that asks this of an excerpt; the same for the same project."""
    return short_id(project, excerpt.chunk_id or excerpt.text, prompt)


def task_data(
    uid: str, excerpt: Excerpt, prompt: str, *, group: str | None = None, history: Sequence[Turn] = ()
) -> dict[str, Any]:
    """Return a task's data as Label Studio stores it: what the screen shows, and the lineage back to the document."""
    where = [excerpt.source, f"page {excerpt.page}" if excerpt.page else "", excerpt.heading]
    return {
        "uid": uid,
        "title": " · ".join(part for part in where if part),
        "conversation": "  ".join(f"[{turn.role}] {turn.content}" for turn in history),
        "prompt": prompt,
        "group": group or uid,
        "history": [turn.model_dump() for turn in history],
        **asdict(excerpt),
    }


def excerpt_shown(data: Mapping[str, Any]) -> Excerpt:
    """Return the excerpt that a task shows."""
    place = {name: str(data.get(name) or "") for name in ("source", "document_id", "version", "chunk_id", "heading")}
    return Excerpt(text=data["text"], start=int(data.get("start") or 0), page=data.get("page"), **place)
