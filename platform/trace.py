"""What anything came from and what came of it, from document to answer and back: ``doyen trace``.

    document ─▶ task ─▶ label ─▶ row ─▶ dataset ─▶ adapter ─┬─▶ report
        │                          ▲                 ▲        └─▶ answer ─▶ feedback ─▶ task ─▶ …
        ├──────────────────────────┘ named as source └─ its parent ▲
        └──────────────────────────────────────────── cited ───────┘

Ties that are stored both ways (a task names its document) are read once into two maps. Answers are the exception: they
are looked up as they are needed, because there are many and their passages are long.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from sqlalchemy import Text, cast, or_, select
from sqlalchemy.orm import Session

from doyen.annotation import LabelLinks, TaskLinks, label_links, task_links
from doyen.core.batches import batched
from doyen.core.errors import InputError, NotFoundError, StorageError
from doyen.core.lineage import Item, Kind, Stage, Trace
from doyen.core.report_files import read_figures, report_folders
from doyen.core.store import Store
from doyen.core.store.schema import PRODUCTION, AdapterRow, AnswerRow, DatasetRow, DocumentRow, DocumentVersionRow, FeedbackRow
from doyen.core.workspace import Workspace
from doyen.finetune.dataset_use import DatasetPair, dataset_pairs

SHOWN = 20
"""Things of one kind that a trace names; all are counted."""
TITLE = 90
"""Characters of a title."""
Name: TypeAlias = tuple[Kind, str]
Ties: TypeAlias = Mapping[Name, Collection[Name]]
_FOUND_FIRST = (
    Kind.ANSWER,
    Kind.FEEDBACK,
    Kind.DOCUMENT,
    Kind.LABEL,
    Kind.TASK,
    Kind.ROW,
    Kind.DATASET,
    Kind.ADAPTER,
    Kind.REPORT,
)


def trace(workspace: Workspace, store: Store, wanted: str, *, kind: str | None = None, shown: int = SHOWN) -> Trace:
    """Return what something came from and what came of it, as far as the workspace knows.

    Args:
        wanted: the id of an answer, a feedback, a document (or its source), a task, a label (or of the pair that it became),
            a dataset (or a name for its newest), a row of one as ``DATASET#PAIR``, an adapter as ``name:version`` (or a name
            for its promoted, else its newest), or a report. A deleted document is found while anything rests on it.
        kind: what it is, where one id stands for several things.
        shown: items that each stage lists.

    Raises:
        InputError: there is no such kind.
        NotFoundError: nothing here has that id.
    """
    with store.session() as session:
        ties = _Ties(workspace, session)
        start = _find(ties, wanted, _kind(kind))
        return Trace(
            [ties.item(name) for name in start],
            _stages(ties, _reach(start, ties.sources), shown),
            _stages(ties, _reach(start, ties.results), shown),
        )


def _kind(name: str | None) -> Kind | None:
    try:
        return None if name is None else Kind(name)
    except ValueError as error:
        raise InputError(f"there is no kind {name!r}: known are {', '.join(Kind)}") from error


def _find(ties: _Ties, wanted: str, kind: Kind | None) -> list[Name]:
    for each in _FOUND_FIRST if kind is None else (kind,):
        if found := [(each, name) for name in ties.named(each, wanted)]:
            return found
    what = f"no {kind} here has" if kind else "nothing here has"
    raise NotFoundError(
        f"{what} the id {wanted!r}: give the id of an answer, label, dataset, adapter (name:version) or document, a document's "
        "source, or a row as DATASET#PAIR"
    )


def _reach(start: Collection[Name], step: Callable[[Collection[Name]], Iterable[Name]]) -> list[Name]:
    """Return all that can be reached from the start by steps, without the start."""
    seen, edge = set(start), set(start)
    while edge:
        edge = set(step(edge)) - seen
        seen |= edge
    return sorted(seen - set(start))


def _stages(ties: _Ties, names: Collection[Name], shown: int) -> list[Stage]:
    by_kind: dict[Kind, list[str]] = defaultdict(list)
    for kind, name in names:
        by_kind[kind].append(name)
    return [
        Stage(kind, len(by_kind[kind]), [ties.item((kind, name)) for name in by_kind[kind][:shown]])
        for kind in Kind
        if by_kind[kind]
    ]


class _Ties:
    """All that a workspace knows of what came of what."""

    def __init__(self, workspace: Workspace, session: Session) -> None:
        self._session = session
        self._sources = _sources_of_documents(session)
        self._present = set(session.scalars(select(DocumentRow.document_id)))
        self._tasks = {task.uid: task for task in task_links(session)}
        self._labels = {label.label_id: label for label in label_links(session)}
        self._rows = {f"{pair.dataset_id}#{pair.pair_id}": pair for pair in dataset_pairs(workspace)}
        datasets = session.scalars(select(DatasetRow).order_by(DatasetRow.created_at.desc()))
        self._datasets = {row.dataset_id: row for row in datasets}
        adapters = session.scalars(select(AdapterRow).order_by(AdapterRow.name, AdapterRow.version))
        self._adapters = {f"{row.name}:{row.version}": row for row in adapters}
        self._reports = dict(_adapters_of_reports(workspace))
        self._documents = _ids_by_source(self._sources, self._tasks.values(), self._rows.values())
        self._back: dict[Name, set[Name]] = defaultdict(set)
        self._forth: dict[Name, set[Name]] = defaultdict(set)
        for made, source in self._stored():
            self._back[made].add(source)
            self._forth[source].add(made)

    def sources(self, names: Collection[Name]) -> Iterator[Name]:
        """Yield what things came from directly."""
        for name in names:
            yield from self._back.get(name, ())
        wanted = _of_kind(names, Kind.ANSWER)
        for batch in batched(sorted(wanted)):
            for answer in self._session.scalars(select(AnswerRow).where(AnswerRow.answer_id.in_(batch))):
                yield from self._behind(answer)
        for answer_id in self._given(FeedbackRow.feedback_id, FeedbackRow.answer_id, _of_kind(names, Kind.FEEDBACK)):
            yield Kind.ANSWER, answer_id

    def results(self, names: Collection[Name]) -> Iterator[Name]:
        """Yield what came of things directly."""
        for name in names:
            yield from self._forth.get(name, ())
        for answer_id in self._given(AnswerRow.adapter, AnswerRow.answer_id, _of_kind(names, Kind.ADAPTER)):
            yield Kind.ANSWER, answer_id
        for feedback_id in self._given(FeedbackRow.answer_id, FeedbackRow.feedback_id, _of_kind(names, Kind.ANSWER)):
            yield Kind.FEEDBACK, feedback_id
        documents = _of_kind(names, Kind.DOCUMENT)
        for answer in self._that_mention(documents):
            if any(kind is Kind.DOCUMENT and name in documents for kind, name in self._behind(answer)):
                yield Kind.ANSWER, answer.answer_id

    def named(self, kind: Kind, wanted: str) -> list[str]:
        """Return the ids of things of a kind that the words stand for; several only for pairs."""
        match kind:
            case Kind.DOCUMENT:
                known = [wanted] if wanted in self._sources else []
                return known or ([self._documents[wanted]] if wanted in self._documents else [])
            case Kind.TASK:
                return [wanted] if wanted in self._tasks else []
            case Kind.LABEL:
                by_pair = [name for name, label in self._labels.items() if label.pair_id == wanted and label.current]
                return [wanted] if wanted in self._labels else by_pair
            case Kind.ROW:
                return [name for name, pair in self._rows.items() if wanted in {name, pair.pair_id}]
            case Kind.DATASET:
                newest = [name for name, row in self._datasets.items() if row.name == wanted]
                return [wanted] if wanted in self._datasets else newest[:1]
            case Kind.ADAPTER:
                return self._adapter_named(wanted)
            case Kind.REPORT:
                return [wanted] if wanted in self._reports else []
            case Kind.ANSWER:
                return [wanted] if self._session.get(AnswerRow, wanted) else []
            case Kind.FEEDBACK:
                return [wanted] if self._session.get(FeedbackRow, wanted) else []

    def item(self, name: Name) -> Item:
        """Return a thing as it is shown."""
        kind, own = name
        title, state = self._shown(kind, own)
        return Item(kind, own, " ".join(title.split())[:TITLE], state)

    def _adapter_named(self, wanted: str) -> list[str]:
        if wanted in self._adapters:
            return [wanted]
        versions = [(row.stage == PRODUCTION, row.version, ref) for ref, row in self._adapters.items() if row.name == wanted]
        return [max(versions)[2]] if versions else []

    def _shown(self, kind: Kind, own: str) -> tuple[str, str]:
        """Return title and state."""
        match kind:
            case Kind.DOCUMENT:
                return self._sources.get(own, own), "" if own in self._present else "deleted"
            case Kind.TASK if own in self._tasks:
                task = self._tasks[own]
                return f"{task.project}: {task.source}", f"text {task.stale}" if task.stale else ""
            case Kind.LABEL if own in self._labels:
                label = self._labels[own]
                return f"by {label.annotator or 'unknown'}", "" if label.current else "replaced"
            case Kind.ROW if own in self._rows:
                return self._rows[own].prompt, self._rows[own].part
            case Kind.DATASET if own in self._datasets:
                return f"{self._datasets[own].manifest['counts']['train']} pairs to train on", ""
            case Kind.ADAPTER if own in self._adapters:
                return self._adapters[own].base_model, self._adapters[own].stage
            case Kind.ANSWER if answer := self._session.get(AnswerRow, own):
                return answer.question, answer.mode
            case Kind.FEEDBACK if feedback := self._session.get(FeedbackRow, own):
                return feedback.correction or feedback.comment or f"rated {feedback.rating:+d}", ""
            case Kind.REPORT:
                return "", ""
        return "", "deleted"

    def _stored(self) -> Iterator[tuple[Name, Name]]:
        """Yield (what was made, what it was made from) of all but answers."""
        for task in self._tasks.values():
            yield from (((Kind.TASK, task.uid), source) for source in _behind_task(task))
        for label in self._labels.values():
            yield (Kind.LABEL, label.label_id), (Kind.TASK, label.task_uid)
            yield from (((Kind.LABEL, label.label_id), (Kind.LABEL, other)) for other in label.inputs)
        yield from self._behind_rows()
        for own, row in self._adapters.items():
            if row.dataset_id:
                yield (Kind.ADAPTER, own), (Kind.DATASET, row.dataset_id)
            if parent := row.manifest.get("parent"):
                yield (Kind.ADAPTER, own), (Kind.ADAPTER, str(parent))
        for own, adapter in self._reports.items():
            if adapter:
                yield (Kind.REPORT, own), (Kind.ADAPTER, adapter)

    def _behind_rows(self) -> Iterator[tuple[Name, Name]]:
        labels: dict[str, list[LabelLinks]] = defaultdict(list)
        for label in self._labels.values():
            labels[label.pair_id].append(label)
        tasks = {task.group: task for task in self._tasks.values()}
        for own, pair in self._rows.items():
            row = Kind.ROW, own
            yield (Kind.DATASET, pair.dataset_id), row
            if pair.source:
                yield row, (Kind.DOCUMENT, self._documents[pair.source])
            known = labels.get(pair.pair_id, [])
            # Which version of a label a dataset holds is not noted: the one that counts, or where none does, all of them.
            for label in [each for each in known if each.current] or known:
                yield row, (Kind.LABEL, label.label_id)
            if not known and pair.group in tasks:
                yield row, (Kind.TASK, tasks[pair.group].uid)

    def _behind(self, answer: AnswerRow) -> Iterator[Name]:
        """Yield what an answer rests on: its adapter, and the documents whose passages it was shown or cites."""
        if answer.adapter:
            yield Kind.ADAPTER, answer.adapter
        for shown in (*answer.passages, *answer.citations):
            own = shown.get("document_id") or self._documents.get(shown.get("source") or "")
            if own:
                yield Kind.DOCUMENT, own

    def _that_mention(self, documents: Collection[str]) -> Iterator[AnswerRow]:
        """Yield answers whose stored passages or citations hold an id or source of the documents."""
        words = sorted({*documents, *(self._sources.get(each, each) for each in documents)})
        # Columns hold JSON whose letters beyond ASCII are written out.
        written = [json.dumps(word)[1:-1] for word in words]
        for batch in batched(written, 50):
            texts = [cast(column, Text) for column in (AnswerRow.passages, AnswerRow.citations)]
            holds = or_(*(text.contains(word, autoescape=True) for word in batch for text in texts))
            yield from self._session.scalars(select(AnswerRow).where(holds).execution_options(yield_per=100))

    def _given(self, column: Any, wanted: Any, values: Collection[str]) -> Iterator[str]:
        for batch in batched(sorted(values)):
            yield from self._session.scalars(select(wanted).where(column.in_(batch)))


def _behind_task(task: TaskLinks) -> Iterator[Name]:
    yield from ((Kind.DOCUMENT, each) for each in task.documents)
    if "task" in task.origin:
        yield Kind.TASK, str(task.origin["task"])
    if "feedback_id" in task.origin:
        yield Kind.FEEDBACK, str(task.origin["feedback_id"])
    elif "answer_id" in task.origin:
        yield Kind.ANSWER, str(task.origin["answer_id"])


def _of_kind(names: Iterable[Name], kind: Kind) -> set[str]:
    return {name for each, name in names if each is kind}


def _sources_of_documents(session: Session) -> dict[str, str]:
    """Return the source of each document by its id, deleted ones included, as far as their versions are kept."""
    versions = select(DocumentVersionRow.document_id, DocumentVersionRow.source).order_by(DocumentVersionRow.created_at)
    known = dict(session.execute(versions).tuples().all())
    return known | dict(session.execute(select(DocumentRow.document_id, DocumentRow.source)).tuples().all())


def _ids_by_source(sources: dict[str, str], tasks: Iterable[TaskLinks], rows: Iterable[DatasetPair]) -> dict[str, str]:
    """Return the id of each document by its source; of one of which nothing but the source is left, that.

    Documents that tasks alone remember are added to ``sources``.
    """
    for task in tasks:
        if len(task.documents) == 1 and task.source:
            sources.setdefault(min(task.documents), task.source)
    ids = {source: own for own, source in sources.items()}
    for pair in rows:
        if pair.source and pair.source not in ids:
            ids[pair.source] = pair.source
            sources[pair.source] = pair.source
    return ids


def _adapters_of_reports(workspace: Workspace) -> Iterator[tuple[str, str | None]]:
    """Yield (name, adapter that it speaks of) of each report that can be read."""
    for name, folder in report_folders(workspace.reports_folder).items():
        try:
            yield name, read_figures(folder).get("adapter")
        except (NotFoundError, StorageError):
            continue
