"""Projects, tasks, labels and decisions in the database; with ``task_sources``, the only SQL of annotation.

Every label is kept in all its versions: a changed result adds one, and none is ever changed or deleted. At most one
version of an annotation is current.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from enum import StrEnum
from itertools import groupby
from typing import Any, NamedTuple, TypeAlias
from uuid import uuid4

from sqlalchemy import case, func, or_, select, update
from sqlalchemy.orm import Session as Session

from doyen.annotation.labelstudio.regions import READER, Result
from doyen.annotation.task_types import TaskType, get_task_type
from doyen.annotation.types.descriptions import DescriptionError, parse_description
from doyen.annotation.types.typed_labels import TypedLabel
from doyen.core.batches import SQL_BATCH, batched
from doyen.core.errors import InputError, NotFoundError
from doyen.core.manifest import fingerprint, now, short_id
from doyen.core.store import Store
from doyen.core.store.schema import (
    AnnotationProjectRow,
    AnnotationRow,
    AnnotationTaskRow,
    DecisionRow,
    DocumentRow,
    DocumentVersionRow,
    Purpose,
    TaskState,
    WorkspaceRow,
)

IMPORTED, KEPT = "import:", "kept:"
"""Prefixes of the external ids of annotations that no pull touches: of those that came from a file, and of those from a
server that the project has since left."""
OPEN = (TaskState.CREATED, TaskState.PUSHED)
"""States of tasks that nobody has labelled."""
PRESENT = (*OPEN, TaskState.LABELLED)
"""States of tasks that were not deleted where people label."""


class Change(StrEnum):
    """What became of a label that was to be stored."""

    ADDED = "added"
    """Its first version."""
    UPDATED = "updated"
    """An older version was current, or none was."""
    UNCHANGED = "unchanged"


CurrentResults: TypeAlias = tuple[AnnotationTaskRow, list[AnnotationRow], DecisionRow | None]


# Projects.


def find_project(store: Store, name: str) -> AnnotationProjectRow | None:
    """Return the project's row, detached, or None where there is no such project."""
    with store.session() as session:
        return session.get(AnnotationProjectRow, name)


def get_project(store: Store, name: str) -> AnnotationProjectRow:
    """Return the project's row, detached; its labels are read anew where its description, or our reader, has changed.

    Raises:
        NotFoundError: there is no such project.
    """
    with store.session() as session:
        row = session.get(AnnotationProjectRow, name)
        if row is not None:
            _read_anew(session, row)
    if row is None:
        known = [row.name for row in list_projects(store)]
        listed = f"known ones are {', '.join(known)}" if known else "there are none yet"
        raise NotFoundError(
            f"there is no annotation project {name!r} ({listed}): make it with `doyen annotate create --project {name}`"
        )
    return row


def get_annotation_project(store: Store, name: str) -> AnnotationProjectRow:
    """Return the row of a project in which people annotate, detached.

    Raises:
        NotFoundError: there is no such project.
        InputError: it is a review project, which gets its tasks from the one that it reviews alone.
    """
    row = get_project(store, name)
    if row.purpose == Purpose.REVIEW:
        raise InputError(
            f"{name!r} is a review project, which takes nothing else: name the one that it reviews, {row.parent!r}"
        )
    return row


def list_projects(store: Store) -> list[AnnotationProjectRow]:
    """Return all projects' rows by name, detached."""
    with store.session() as session:
        return list(session.scalars(select(AnnotationProjectRow).order_by(AnnotationProjectRow.name)))


def task_type_of(project: AnnotationProjectRow) -> TaskType:
    """Return the project's task type with the description that the project was made from."""
    stored = project.description
    description = parse_description(dict(stored), "the project's stored description") if stored else None
    return get_task_type(project.task_type, description)


def update_project(store: Store, name: str, **values: Any) -> None:
    """Set columns of a project's row."""
    with store.session() as session:
        session.execute(update(AnnotationProjectRow).where(AnnotationProjectRow.name == name).values(**values))


def renew_workspace_id(session: Session) -> None:
    """Make this a workspace of its own, which owns none of the projects that carry the old id on a server."""
    session.execute(update(WorkspaceRow).values(workspace_id=uuid4().hex))


def leave_backend(session: Session, row: AnnotationProjectRow) -> None:
    """Forget the old place: its tasks wait to be pushed again, its labels stay current and no pull can touch them."""
    old = KEPT + short_id(row.backend, row.external_id or "", now())
    row.synced_at = None
    tasks = select(AnnotationTaskRow.uid).where(AnnotationTaskRow.project == row.name)
    for annotation in session.scalars(select(AnnotationRow).where(AnnotationRow.task_uid.in_(tasks))):
        if not annotation.external_id.startswith((IMPORTED, KEPT)):
            annotation.external_id = f"{old}:{annotation.external_id}"
    there = AnnotationTaskRow.external_id.is_not(None), AnnotationTaskRow.state != TaskState.DELETED
    moved = update(AnnotationTaskRow).where(AnnotationTaskRow.project == row.name, *there)
    session.execute(moved.values(state=TaskState.CREATED, external_id=None))


# Tasks.


def new_task_row(project: str, data: dict[str, Any]) -> AnnotationTaskRow:
    """Return a row in state "created", without predictions, for a task's data (``tasks.task_data``)."""
    return AnnotationTaskRow(
        uid=data["uid"],
        project=project,
        external_id=None,
        document_id=data["document_id"] or None,
        version=data["version"] or None,
        chunk_id=data["chunk_id"] or None,
        data=data,
        predictions=[],
        state=TaskState.CREATED,
        created_at=now(),
    )


def tasks_in(
    session: Session,
    project: str,
    *,
    uids: Collection[str] | None = None,
    states: Collection[str] | None = None,
    sent: bool = False,
    gold: bool = False,
    stale: bool = False,
) -> list[AnnotationTaskRow]:
    """Return the project's tasks, oldest first.

    Args:
        uids, states: only these.
        sent, gold, stale: only those that have an id where people label, that are gold items, whose text is stale.
    """
    task = AnnotationTaskRow
    query = select(task).where(task.project == project).order_by(task.created_at, task.uid)
    conditions = (
        None if uids is None else task.uid.in_(uids),
        None if states is None else task.state.in_(states),
        task.external_id.is_not(None) if sent else None,
        task.gold.is_not(None) if gold else None,
        task.stale.is_not(None) if stale else None,
    )
    return list(session.scalars(query.where(*(condition for condition in conditions if condition is not None))))


class TaskGroup(NamedTuple):
    """How many tasks have these things in common."""

    state: str
    created_at: str
    stale: str | None
    gold: bool
    skipped: int
    overlap: int
    tasks: int


def group_tasks(session: Session, project: str) -> list[TaskGroup]:
    """Count the project's tasks by all that a status tells of them."""
    task = AnnotationTaskRow
    kinds = task.state, task.created_at, task.stale, task.gold.is_not(None), task.skipped, task.overlap
    query = select(*kinds, func.count()).where(task.project == project).group_by(*kinds)
    return [TaskGroup(*row) for row in session.execute(query)]


class TaskForPerson(NamedTuple):
    """What decides whether and when a person is asked to label a task.

    Attributes:
        labels: how many current labels it has.
        own: how many of them are the person's.
    """

    uid: str
    state: str
    stale: str | None
    overlap: int
    origin: dict[str, Any] | None
    created_at: str
    labels: int
    own: int


def tasks_for_person(session: Session, project: str, annotator: str) -> list[TaskForPerson]:
    """Return the project's tasks that were not deleted, as far as they concern one person."""
    task, label = AnnotationTaskRow, AnnotationRow
    counted = (
        select(
            label.task_uid,
            func.count().label("labels"),
            func.sum(case((label.annotator == annotator, 1), else_=0)).label("own"),
        )
        .join(task, task.uid == label.task_uid)
        .where(task.project == project, label.current)
        .group_by(label.task_uid)
        .subquery()
    )
    kinds = task.uid, task.state, task.stale, task.overlap, task.origin, task.created_at
    numbers = func.coalesce(counted.c.labels, 0), func.coalesce(counted.c.own, 0)
    query = select(*kinds, *numbers).outerjoin(counted, counted.c.task_uid == task.uid)
    found = session.execute(query.where(task.project == project, task.state.in_(PRESENT)))
    return [TaskForPerson(*row) for row in found]


def drafts_in(session: Session, project: str) -> dict[str, list[Any]]:
    """Return uid → drafts of the project's tasks that were not deleted."""
    task = AnnotationTaskRow
    query = select(task.uid, task.predictions).where(task.project == project, task.state.in_(PRESENT))
    return dict(session.execute(query).tuples().all())


def judge_tasks(session: Session) -> Iterator[tuple[AnnotationTaskRow, str | None]]:
    """Yield each task whose document has changed or gone, or that is marked as stale, with the document's present text."""
    task = AnnotationTaskRow
    changed = or_(DocumentRow.version.is_(None), DocumentRow.version != task.version, task.stale.is_not(None))
    query = (
        select(task, DocumentRow.version)
        .outerjoin(DocumentRow, DocumentRow.document_id == task.document_id)
        .where(task.document_id.is_not(None), changed)
        .order_by(task.document_id)
    )
    held, text = None, ""
    for row, version in session.execute(query).all():
        if version is not None and held != (row.document_id, version):
            held = (row.document_id, version)
            known = session.get(DocumentVersionRow, held)
            text = known.text if known is not None else ""
        yield row, None if version is None else text


def external_ids(store: Store, project: str) -> dict[str, str | None]:
    """Return uid → external id of the project's tasks."""
    query = select(AnnotationTaskRow.uid, AnnotationTaskRow.external_id).where(AnnotationTaskRow.project == project)
    with store.session() as session:
        return dict(session.execute(query).tuples().all())


def mark_pushed(store: Store, external_ids: Mapping[str, str]) -> None:
    """Note that tasks have arrived: uid → external id."""
    rows = [{"uid": uid, "external_id": external_id, "state": TaskState.PUSHED} for uid, external_id in external_ids.items()]
    if rows:
        with store.session() as session:
            session.execute(update(AnnotationTaskRow), rows)


# Labels.


def labels_of(session: Session, uids: Collection[str]) -> dict[str, list[AnnotationRow]]:
    """Return the tasks' annotations in all their versions, by uid."""
    labels: dict[str, list[AnnotationRow]] = defaultdict(list)
    for batch in batched(uids):
        for row in session.scalars(select(AnnotationRow).where(AnnotationRow.task_uid.in_(batch))):
            labels[row.task_uid].append(row)
    return labels


def current_labels_of(session: Session, uid: str) -> list[AnnotationRow]:
    """Return the current labels of a task by annotator."""
    query = select(AnnotationRow).where(AnnotationRow.task_uid == uid, AnnotationRow.current)
    return list(session.scalars(query.order_by(AnnotationRow.annotator, AnnotationRow.annotation_id)))


def labels_imported_from(session: Session, project: str, source: str) -> list[AnnotationRow]:
    """Return the current labels of a project that came from a source, by the beginning of their ids."""
    query = select(AnnotationRow).join(AnnotationTaskRow, AnnotationRow.task_uid == AnnotationTaskRow.uid)
    from_there = AnnotationRow.external_id.startswith(IMPORTED + source, autoescape=True)
    return list(session.scalars(query.where(AnnotationTaskRow.project == project, AnnotationRow.current, from_there)))


def label_identity(task_uid: str, external_id: str) -> str:
    """Return the id of a label: the imported pair's own, else one that stays the same when the label is revised."""
    if external_id.startswith(IMPORTED):
        return external_id.removeprefix(IMPORTED)
    return short_id(task_uid, external_id)


def decision_identity(task_uid: str) -> str:
    """Return the id of what was decided about a task."""
    return short_id(task_uid, "decision")


def add_version(
    session: Session,
    task_uid: str,
    external_id: str,
    annotator: str,
    result: Result,
    typed: TypedLabel,
    created_at: str,
    known: list[AnnotationRow] | None = None,
) -> Change:
    """Keep one version of one annotation and make it the current one.

    Args:
        known: the task's annotations, where the caller has read them; a new version is added to the list.
    """
    known = labels_of(session, [task_uid])[task_uid] if known is None else known
    revision = fingerprint(result)[:16]
    versions = [row for row in known if row.external_id == external_id]
    same = next((version for version in versions if version.revision == revision), None)
    if same is not None and same.current:
        return Change.UNCHANGED
    for version in versions:
        version.current = False
    if same is not None:
        same.current = True
        return Change.UPDATED
    row = AnnotationRow(
        annotation_id=short_id(task_uid, external_id, revision),
        task_uid=task_uid,
        external_id=external_id,
        revision=revision,
        annotator=annotator,
        result=result,
        typed=typed.to_json(),
        current=True,
        created_at=created_at,
        pulled_at=now(),
    )
    session.add(row)
    known.append(row)
    return Change.UPDATED if versions else Change.ADDED


def read_labels_anew(session: Session, task_type: TaskType, tasks: Iterable[AnnotationTaskRow]) -> None:
    """Read the stored results of some tasks as typed labels: all versions of their labels, their decisions, and gold."""
    found = {task.uid: task for task in tasks}
    rows: list[AnnotationRow | DecisionRow] = [row for own in labels_of(session, found).values() for row in own]
    rows += session.scalars(select(DecisionRow).where(DecisionRow.task_uid.in_(found)))
    for row in rows:
        row.typed = task_type.understand(row.result, found[row.task_uid].data).to_json()
    for task in found.values():
        task.gold_typed = None if task.gold is None else task_type.understand(task.gold, task.data).to_json()
    session.flush()


def _read_anew(session: Session, project: AnnotationProjectRow) -> None:
    """Read a project's labels anew, unless they were read under its present description by the present reader."""
    under = fingerprint([READER, project.task_type, project.description])
    if project.read_under == under:
        return
    # A description that cannot be read is reported by whoever needs it.
    with suppress(DescriptionError):
        task_type = task_type_of(project)
        for uids in batched(uids_with_results(session, project.name)):
            read_labels_anew(session, task_type, tasks_in(session, project.name, uids=uids))
        project.read_under = under


def current_results(store: Store, project: str, *, gold: bool = True) -> Iterator[CurrentResults]:
    """Yield (task, its current labels by annotator, its current decision) of each task that has any, by uid.

    Args:
        gold: whether gold items are among them.
    """
    query = (
        select(AnnotationTaskRow, AnnotationRow, DecisionRow)
        .outerjoin(AnnotationRow, (AnnotationRow.task_uid == AnnotationTaskRow.uid) & AnnotationRow.current)
        .outerjoin(DecisionRow, (DecisionRow.task_uid == AnnotationTaskRow.uid) & DecisionRow.current)
        .where(AnnotationTaskRow.project == project, or_(AnnotationRow.current, DecisionRow.current))
        .order_by(AnnotationTaskRow.uid, AnnotationRow.annotator, AnnotationRow.annotation_id)
        .execution_options(yield_per=SQL_BATCH)
    )
    if not gold:
        query = query.where(AnnotationTaskRow.gold.is_(None))
    with store.session() as session:
        for _, group in groupby(session.execute(query), key=lambda found: found[0].uid):
            found = list(group)
            yield found[0][0], [row for _, row, _ in found if row is not None], found[0][2]


def uids_with_results(session: Session, project: str) -> set[str]:
    """Return the uids of tasks about which people said anything: labels, decisions, gold; current or not."""
    ours = select(AnnotationTaskRow.uid).where(AnnotationTaskRow.project == project)
    queries = [select(table.task_uid).where(table.task_uid.in_(ours)) for table in (AnnotationRow, DecisionRow)]
    queries.append(ours.where(AnnotationTaskRow.gold.is_not(None)))
    return {uid for query in queries for uid in session.scalars(query)}


def count_versions(session: Session, project: str) -> int:
    """Count all stored versions of labels, replaced ones included."""
    query = select(func.count()).select_from(AnnotationRow).join(AnnotationTaskRow)
    return session.scalars(query.where(AnnotationTaskRow.project == project)).one()


def has_copied_tasks(session: Session, project: str) -> bool:
    """Whether labels lie on a second task of the same uid, which an import by hand makes and which may be deleted."""
    own = AnnotationRow.external_id.startswith(AnnotationTaskRow.external_id + ":")
    elsewhere = or_(*(AnnotationRow.external_id.startswith(prefix) for prefix in (IMPORTED, KEPT)))
    query = (
        select(AnnotationRow.annotation_id)
        .join(AnnotationTaskRow, AnnotationTaskRow.uid == AnnotationRow.task_uid)
        .where(AnnotationTaskRow.project == project, AnnotationRow.current, ~own, ~elsewhere)
    )
    return session.scalars(query.limit(1)).first() is not None


def stored_results(session: Session, project: str) -> Iterator[tuple[str, Result]]:
    """Yield (task, result) of current labels, decisions and gold items."""
    for table in (AnnotationRow, DecisionRow):
        query = select(table.task_uid, table.result).join(AnnotationTaskRow, AnnotationTaskRow.uid == table.task_uid)
        ours = query.where(AnnotationTaskRow.project == project, table.current).order_by(table.task_uid)
        yield from session.execute(ours).tuples()
    yield from ((task.uid, task.gold or []) for task in tasks_in(session, project, gold=True))


# Decisions.


def decisions_on(session: Session, task_uid: str) -> list[DecisionRow]:
    """Return all decisions about a task; one of them at most is current."""
    return list(session.scalars(select(DecisionRow).where(DecisionRow.task_uid == task_uid)))


def current_decision(session: Session, task_uid: str) -> DecisionRow | None:
    """Return the decision about a task that stands, if any."""
    return next((row for row in decisions_on(session, task_uid) if row.current), None)


def current_decisions(session: Session, project: str, method: str) -> list[DecisionRow]:
    """Return the decisions about a project's tasks that stand and were made by that method."""
    query = select(DecisionRow).join(AnnotationTaskRow, AnnotationTaskRow.uid == DecisionRow.task_uid)
    made = AnnotationTaskRow.project == project, DecisionRow.method == method, DecisionRow.current
    return list(session.scalars(query.where(*made)))
