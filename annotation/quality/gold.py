"""Gold items: tasks with a known answer among the others, by which each annotator is measured.

The answer lies in the store alone: neither the task's data nor its drafts show that an item is gold. Gold items are left
out of datasets.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from doyen.annotation.store import PRESENT, Session, get_annotation_project, get_project, task_type_of, tasks_in
from doyen.annotation.task_sources import excerpt_with_text
from doyen.annotation.task_types import TaskType
from doyen.annotation.tasks import GIVEN, add_task, task_uid
from doyen.annotation.types.drafter import Draft, Excerpt
from doyen.annotation.types.typed_labels import Label, LabelError, LabelledText, prompt_of
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationTaskRow, TaskState


@dataclass
class GoldReport:
    """What became of the items.

    Attributes:
        made: tasks that are new.
        hidden: tasks that were there already and are gold from now on.
        unchanged: items that were gold already, with the same answer.
    """

    project: str
    made: int = 0
    hidden: int = 0
    unchanged: int = 0


def seed_gold(store: Store, project: str, items: Iterable[LabelledText]) -> GoldReport:
    """Put items with known answers among the project's tasks; repeating it changes nothing.

    Every task that shows the same text (and asks the same question) becomes gold itself, labelled or not; else one is
    made. One that was deleted where people label is sent again.

    Raises:
        NotFoundError: there is no such project.
        InputError: it is a review project.
        LabelError: an answer is no valid label of its text; nothing was changed.
    """
    task_type = task_type_of(get_annotation_project(store, project))
    report = GoldReport(project)
    with store.session() as session:
        tasks = _tasks_by_content(session, project)
        problems: list[str] = []
        for number, item in enumerate(items, start=1):
            prompt = prompt_of(item.label)
            rows = tasks[item.text, prompt]
            made = not rows
            if made:
                rows.append(_new_task(session, project, task_type, item.text, prompt))
            results = [task_type.write(item.label, row.data) for row in rows]
            typed = [task_type.understand(result, row.data) for result, row in zip(results, rows, strict=True)]
            problems += [f"item {number} ({item.item_id}): {problem}" for problem in typed[0].problems]
            report.made += made
            report.hidden += not made and any(row.gold is None for row in rows)
            report.unchanged += [row.gold for row in rows] == results
            for row, result, known in zip(rows, results, typed, strict=True):
                row.gold, row.gold_typed = result, known.to_json()
        if problems:
            raise LabelError(problems)
    return report


def gold_labels(store: Store, project: str) -> dict[str, Label]:
    """Return the known answers of a project by item id (the task's uid).

    Raises:
        NotFoundError: there is no such project.
        LabelError: a stored answer does not fit the project's present description.
    """
    task_type = task_type_of(get_project(store, project))
    with store.session() as session:
        tasks = tasks_in(session, project, gold=True)
    found: dict[str, Label] = {}
    for task in tasks:
        typed = task_type.stored(task.gold_typed)
        if typed.label is None or typed.problems:
            raise LabelError(list(typed.problems))
        found[task.uid] = typed.label
    return found


def _tasks_by_content(session: Session, project: str) -> defaultdict[tuple[str, str], list[AnnotationTaskRow]]:
    found: defaultdict[tuple[str, str], list[AnnotationTaskRow]] = defaultdict(list)
    for task in tasks_in(session, project, states=PRESENT):
        found[task.data["text"], task.data.get("prompt") or ""].append(task)
    return found


def _new_task(session: Session, project: str, task_type: TaskType, text: str, prompt: str) -> AnnotationTaskRow:
    """Add a task that looks like the others: with its document where the text is a chunk's, and with a draft by rule.

    One that was there and has been deleted waits to be sent again.
    """
    excerpt = excerpt_with_text(session, text) or Excerpt(text)
    draft = Draft.of_answer(text, prompt, "", 0.0) if prompt else task_type.draft(excerpt) or Draft(None, 0.0)
    add_task(session, project, task_type, excerpt, draft, GIVEN if prompt else task_type.version)
    row = session.get_one(AnnotationTaskRow, task_uid(project, excerpt, prompt))
    row.state, row.external_id = TaskState.CREATED, None
    return row
