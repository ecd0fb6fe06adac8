"""Labels and pairs from elsewhere on their way into the store: tasks for their items, and a version of each label."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

from doyen.annotation.projects import sync_lock
from doyen.annotation.store import (
    IMPORTED,
    Change,
    Session,
    add_version,
    get_annotation_project,
    labels_of,
    new_task_row,
    read_labels_anew,
    task_type_of,
    tasks_in,
)
from doyen.annotation.task_sources import excerpt_of, known_documents, text_and_chunks
from doyen.annotation.task_types import TaskType
from doyen.annotation.tasks import task_data
from doyen.annotation.types.answer_lines import places as places_of
from doyen.annotation.types.descriptions import TypeName
from doyen.annotation.types.drafter import Excerpt
from doyen.annotation.types.prompt_response import label_of_pair
from doyen.annotation.types.spans import find_quotes
from doyen.annotation.types.typed_labels import LabelledText, Marks, TypedLabel, by_place, prompt_of
from doyen.core.batches import batched
from doyen.core.errors import InputError
from doyen.core.manifest import canonical_json, now, short_id
from doyen.core.progress import Reporter, Silent
from doyen.core.records import Pair
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationRow, AnnotationTaskRow, ChunkRow, TaskState
from doyen.core.workspace import Workspace

Documents = Callable[[str], tuple[str, list[ChunkRow]]]
"""From a document's source to its text and its chunks, in order; both empty where it is not there."""
BATCH = 200
ORIGIN = "imported"
"""Key of a task's origin under which an imported item keeps its id and metadata."""


@dataclass
class ImportReport:
    """What an import did.

    Attributes:
        unplaced_quotes: evidence quotes that the shown passage does not hold; they are kept as further quotes.
        without_document: pairs whose source is not among the ingested documents.
    """

    project: str
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    unplaced_quotes: int = 0
    without_document: int = 0

    def count(self, change: Change) -> None:
        """Count a label."""
        setattr(self, change, getattr(self, change) + 1)


def import_pairs(
    workspace: Workspace, store: Store, project: str, pairs: Sequence[Pair], *, reporter: Reporter | None = None
) -> ImportReport:
    """Take labels from a pairs file as annotations, with their annotators; repeating it changes nothing.

    Pairs of one group become labels of one task. A pair's evidence is located in the chunk of its document that holds
    most of it. A pair that was imported before and now reads differently becomes a new version. The labels live here
    alone: they are neither pushed nor touched by a pull.

    Raises:
        NotFoundError: there is no such project.
        InputError: its tasks are not prompts and responses, or it is a review project.
        Busy: another process is syncing this project.
    """
    task_type = task_type_of(get_annotation_project(store, project))
    if task_type.name != TypeName.PROMPT_RESPONSE:
        raise InputError(f"project {project!r} holds {task_type.name} tasks: pairs are labels of prompt-response tasks alone")
    groups: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        groups[_task_uid(project, pair)].append(pair)
    report = ImportReport(project)
    with sync_lock(workspace, project), (reporter or Silent()).bar("importing labels", len(pairs)) as bar:
        for batch in batched(groups.items(), BATCH):
            with store.session() as session:
                documents = cache(partial(text_and_chunks, session))
                for uid, members in batch:
                    task = _task_of_group(session, task_type, documents, project, uid, members)
                    for pair in members:
                        _store_pair(session, task_type, task, pair, report)
            bar.advance(sum(len(members) for _, members in batch))
    return report


def _task_of_group(
    session: Session, task_type: TaskType, documents: Documents, project: str, uid: str, members: list[Pair]
) -> AnnotationTaskRow:
    """Return the task of a group, which is made where it is missing, and anew where it named no document."""
    row = session.get(AnnotationTaskRow, uid)
    if row is None or row.chunk_id is None:
        lead = next((pair for pair in members if pair.source), members[0])
        excerpt = _excerpt(documents, lead.source or "", [quote for pair in members for quote in pair.evidence])
        data = task_data(uid, excerpt, lead.prompt, group=lead.group, history=lead.history)
        fresh = new_task_row(project, data)
        shown = None if row is None else row.data["text"]
        fresh.created_at = fresh.created_at if row is None else row.created_at
        row = session.merge(fresh)
        if shown not in {None, excerpt.text}:
            read_labels_anew(session, task_type, [row])
    row.state = TaskState.LABELLED
    return row


def _store_pair(session: Session, task_type: TaskType, task: AnnotationTaskRow, pair: Pair, report: ImportReport) -> None:
    result = task_type.write(label_of_pair(pair, task.data), task.data)
    report.without_document += bool(pair.source) and task.chunk_id is None
    report.unplaced_quotes += len(find_quotes(task.data["text"], list(pair.evidence))[1])
    session.flush()
    typed, created_at = task_type.understand(result, task.data), pair.created_at or ""
    report.count(add_version(session, task.uid, IMPORTED + pair.id, pair.annotator or "", result, typed, created_at))


def _excerpt(documents: Documents, source: str, quotes: list[str]) -> Excerpt:
    """Return the chunk that holds most of the quotes, or the neighbouring chunks over which the first one runs."""
    text, chunks = documents(source) if source else ("", [])
    shown = _chunks_around(text, chunks, quotes)
    if not shown:
        return Excerpt("", source=source)
    return replace(excerpt_of(shown[0], source), text=text[shown[0].start : shown[-1].end])


def _chunks_around(text: str, chunks: list[ChunkRow], quotes: Iterable[str]) -> list[ChunkRow]:
    """Return one chunk, or a run of neighbours where no single chunk holds any quote; the first chunk as a last resort."""
    places = [(start, start + len(quote)) for quote in dict.fromkeys(quotes) for start in places_of(text, quote, after=0)]
    held = [sum(chunk.start <= start and end <= chunk.end for start, end in places) for chunk in chunks]
    if any(held):
        return [chunks[held.index(max(held))]]
    for start, end in places:
        if run := [chunk for chunk in chunks if chunk.start < end and start < chunk.end]:
            return run
    return chunks[:1]


def _task_uid(project: str, pair: Pair) -> str:
    """Return the uid of the task that a pair labels: pairs of one group share it, as do equal prompts without a group."""
    if pair.group:
        return short_id(project, "group", pair.group)
    history = canonical_json([turn.model_dump() for turn in pair.history])
    return short_id(project, "pair", pair.source or "", history, pair.prompt)


@dataclass(frozen=True)
class ImportedLabel:
    """A label on its way into the store.

    Attributes:
        source_id: what tells it from other labels where it comes from; None: its annotator does, within the item.
        part: tells it from other labels of the same item by the same annotator, of which each needs a task of its own.
    """

    item: LabelledText
    source_id: str | None = None
    part: str = ""

    def uid(self, project: str) -> str:
        """Return the uid of the task that is made for it where its item is no task yet."""
        parts = [self.part] if self.part else []
        return short_id(project, "item", self.item.item_id, self.item.text, *parts)


def store_labels(
    workspace: Workspace, store: Store, project: str, labels: Iterable[LabelledText], *, reporter: Reporter | None = None
) -> ImportReport:
    """Store labels as annotations of tasks, in batches; repeating it changes nothing, and every version is kept.

    A label whose item is a task of the project goes to that task; other items get a task of their own. The labels live
    here alone: they are neither pushed nor touched by a pull of the project.

    Raises:
        NotFoundError: there is no such project.
        LabelError: a label is not of the project's task type; batches before it are stored.
        Busy: another process is syncing this project.
    """
    report = ImportReport(project)
    with sync_lock(workspace, project), (reporter or Silent()).bar("importing labels", None) as bar:
        for batch in import_batches(store, project, map(ImportedLabel, labels), report):
            bar.advance(len(batch))
    return report


def import_batches(
    store: Store, project: str, labels: Iterable[ImportedLabel], report: ImportReport
) -> Iterator[list[AnnotationRow]]:
    """Store labels batch by batch and yield each batch's annotations after they are committed; the caller holds the lock."""
    task_type = task_type_of(get_annotation_project(store, project))
    seen: Counter[str] = Counter()
    for batch in batched(labels, BATCH):
        with store.session() as session:
            stored = _Batch(session, project, task_type, report).store([_distinguish(label, seen) for label in batch])
        yield stored


def _distinguish(label: ImportedLabel, seen: Counter[str]) -> ImportedLabel:
    """Return the label, told from earlier ones of the same item and annotator; those of nobody may share a task."""
    item = label.item
    if label.source_id is not None:
        return label
    key = short_id(item.item_id, item.text, item.annotator)
    seen[key] += 1
    if seen[key] == 1:
        return label
    if item.annotator:
        return replace(label, part=str(seen[key]))
    return replace(label, source_id=short_id(item.item_id, item.text, str(seen[key])))


class _Batch:
    """One transaction's worth of labels."""

    def __init__(self, session: Session, project: str, task_type: TaskType, report: ImportReport) -> None:
        self._session, self._project, self._task_type, self._report = session, project, task_type, report

    def store(self, batch: list[ImportedLabel]) -> list[AnnotationRow]:
        """Store the labels; return the annotation that each is now, in order."""
        tasks = self._tasks(batch)
        known = labels_of(self._session, tasks)
        stored = []
        for label in batch:
            task = _own_task(tasks, label) or tasks[label.uid(self._project)]
            source_id = label.source_id or short_id(task.uid, label.item.annotator)
            stored.append(self._store_one(task, label.item, IMPORTED + source_id, known[task.uid]))
        return stored

    def _store_one(
        self, task: AnnotationTaskRow, item: LabelledText, external_id: str, known: list[AnnotationRow]
    ) -> AnnotationRow:
        result = self._task_type.write(item.label, task.data)
        typed = self._task_type.understand(result, task.data)
        created_at = item.created_at
        for row in [row for row in known if row.current and row.annotator == item.annotator]:
            if row.external_id.startswith(IMPORTED):
                continue
            if self._says_the_same(row, typed):
                self._report.unchanged += 1
                return row
            if item.annotator and row.created_at == item.created_at:
                # An export of that label was edited, so that this one is newer than the time which it still carries.
                created_at = now()
        self._report.count(add_version(self._session, task.uid, external_id, item.annotator, result, typed, created_at, known))
        if task.state != TaskState.DELETED:
            task.state = TaskState.LABELLED
        return next(row for row in known if row.external_id == external_id and row.current)

    def _says_the_same(self, row: AnnotationRow, typed: TypedLabel) -> bool:
        """Return whether an annotation from where people label is the one that comes in: an export that comes back."""
        known = self._task_type.stored(row.typed).label
        return known is not None and _without_ids(known) == _without_ids(typed.label)

    def _tasks(self, batch: list[ImportedLabel]) -> dict[str, AnnotationTaskRow]:
        """Return the tasks of the labels by uid; those that are not there yet are made."""
        uids = {label.uid(self._project): label for label in batch}
        wanted = {*uids, *(label.item.item_id for label in batch)}
        tasks = {task.uid: task for task in tasks_in(self._session, self._project, uids=wanted)}
        documents = known_documents(self._session, {str(label.item.meta.get("document_id") or "") for label in batch})
        for uid, label in uids.items():
            if uid in tasks or _own_task(tasks, label) is not None:
                continue
            item = label.item
            excerpt = _excerpt_of_label(item, documents)
            self._report.without_document += bool(excerpt.source) and not excerpt.document_id
            row = new_task_row(self._project, task_data(uid, excerpt, prompt_of(item.label)))
            row.state = TaskState.LABELLED
            row.origin = {ORIGIN: {"item_id": item.item_id, "meta": dict(item.meta)}}
            self._session.add(row)
            tasks[uid] = row
        self._session.flush()
        return tasks


def _excerpt_of_label(item: LabelledText, documents: set[str]) -> Excerpt:
    """Return where the text stands, as the label's metadata says; the lineage only where that document is there."""

    def text(key: str) -> str:
        value = item.meta.get(key)
        return value if isinstance(value, str) else ""

    linked = text("document_id") in documents
    named = ("source", "document_id", "version", "chunk_id") if linked else ("source",)
    start, page = item.meta.get("start"), item.meta.get("page")
    return Excerpt(
        item.text,
        **{name: text(name) for name in named},
        start=start if linked and isinstance(start, int) else 0,
        page=page if isinstance(page, int) else None,
    )


def _own_task(tasks: dict[str, AnnotationTaskRow], label: ImportedLabel) -> AnnotationTaskRow | None:
    """Return the project's own task that the label is about, where its id says so."""
    task = tasks.get(label.item.item_id)
    return task if task is not None and not label.part and task.data.get("text") == label.item.text else None


def _without_ids(label: Any) -> Any:
    """Return a label whose regions are numbered in the order of their places, for comparing what two labels say."""
    if not isinstance(label, Marks):
        return label
    ordered = sorted(label.regions, key=by_place)
    numbers = {region.id: str(number) for number, region in enumerate(ordered)}
    marked = tuple(replace(region, id=numbers[region.id]) for region in ordered)
    renamed = [replace(link, head=numbers[link.head], tail=numbers[link.tail]) for link in label.relations]
    return type(label)(marked, tuple(sorted(renamed, key=lambda link: (link.head, link.tail, link.label))))
