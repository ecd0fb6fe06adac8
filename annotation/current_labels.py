"""Labels out of the store: as typed labels, in instruction form for training, and as plain rows for classifiers.

Each function raises NotFoundError for a project that does not exist.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from doyen.annotation.store import current_results, decision_identity, get_project, label_identity, task_type_of
from doyen.annotation.task_types import TaskType
from doyen.annotation.types.typed_labels import Label, LabelledText, TypedLabel, describe_problems, prompt_of
from doyen.core.files import open_atomic, write_text_atomic
from doyen.core.records import Pair
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationRow, AnnotationTaskRow, DecisionMethod, DecisionRow

LINEAGE = ("source", "document_id", "version", "chunk_id", "start", "page", "heading", "group")
"""What of a task's data goes with its label."""


@dataclass
class Labels:
    """The current labels of a project.

    Attributes:
        pairs: valid ones, ordered by id.
        problems: a sentence for each label that is not valid and so is left out.
    """

    pairs: list[Pair] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_labels(store: Store, project: str) -> Labels:
    """Read the labels of a project as training pairs; where a task was decided, the decision stands for its labels."""
    task_type = task_type_of(get_project(store, project))
    labels = Labels()
    for stored, label in _valid_labels(store, project, task_type, labels.problems):
        who = {"pair_id": stored.identity, "annotator": stored.annotator, "created_at": stored.created_at}
        labels.pairs.append(task_type.to_pair(label, stored.task.data, **who))
    labels.pairs.sort(key=lambda pair: pair.id)
    labels.problems.sort()
    return labels


def labelled_pairs(store: Store, project: str) -> list[Pair]:
    """Return the valid labels of a project in instruction form, ordered by id, as ``read_labels`` finds them."""
    return read_labels(store, project).pairs


def labelled_texts(
    store: Store, project: str, *, decided: bool = True, gold: bool = False, problems: list[str] | None = None
) -> Iterator[LabelledText]:
    """Yield the valid current labels of a project, by task: the newest of each annotator.

    Labels of nobody count one by one, as do answers to different prompts.

    Args:
        decided: where a task was decided, yield the decision alone; False yields what the annotators said.
        gold: yield labels of gold items, too.
        problems: takes a sentence for each label that is not valid and so is left out.
    """
    task_type = task_type_of(get_project(store, project))
    left_out = problems if problems is not None else []
    for stored, label in _valid_labels(store, project, task_type, left_out, decided=decided, gold=gold):
        data = stored.task.data
        meta = {key: data[key] for key in LINEAGE if data.get(key) not in (None, "")} | (stored.task.origin or {})
        yield LabelledText(stored.task.uid, data["text"], label, stored.annotator, stored.created_at, meta)


def export_rows(store: Store, project: str, path: Path, problems: list[str] | None = None) -> int:
    """Write the valid labels as plain rows for training a classifier (JSONL), whole or not at all.

    The columns are those of the task type (``TaskType.row``), with the task's ``id``, ``source``, ``group`` and
    ``annotator``.

    Args:
        problems: as for ``labelled_texts``.

    Returns:
        How many rows were written.
    """
    task_type = task_type_of(get_project(store, project))
    count = 0
    with open_atomic(path) as stream:
        for found in labelled_texts(store, project, problems=problems):
            lineage = {"id": found.item_id, "source": found.meta.get("source"), "group": found.meta.get("group")}
            row = {**task_type.row(found.label, {"text": found.text}), **lineage, "annotator": found.annotator or None}
            stream.write((json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8"))
            count += 1
    return count


def export_pairs(store: Store, project: str, path: Path) -> Labels:
    """Write the valid current labels to a pairs.jsonl, whole or not at all; return them with what was left out."""
    labels = read_labels(store, project)
    lines = (json.dumps(pair.model_dump(exclude_defaults=True), ensure_ascii=False) + "\n" for pair in labels.pairs)
    write_text_atomic(path, "".join(lines))
    return labels


@dataclass(frozen=True)
class _StoredLabel:
    """A stored label that counts, whoever gave it; ``identity`` stays the same when it is revised."""

    task: AnnotationTaskRow
    identity: str
    typed: TypedLabel
    annotator: str
    created_at: str
    pulled_at: str = ""

    @property
    def age(self) -> tuple[str, str, str]:
        """Sorts a newer label after an older one; one that came without a time is as old as its arrival."""
        return self.created_at or self.pulled_at, self.pulled_at, self.identity


def _valid_labels(
    store: Store, project: str, task_type: TaskType, problems: list[str], *, decided: bool = True, gold: bool = False
) -> Iterator[tuple[_StoredLabel, Label]]:
    """Yield what is sound of the labels that count; of one annotator about one task (and prompt) the newest."""
    stored_labels = _stored_labels(store, project, task_type, decided=decided, gold=gold)
    for _, of_task in groupby(stored_labels, key=lambda stored: stored.task.uid):
        newest: dict[tuple[str, str], tuple[_StoredLabel, Label]] = {}
        for stored in sorted(of_task, key=lambda stored: stored.age):
            label, wrong = stored.typed.label, stored.typed.problems
            problems += describe_problems(stored.task.uid, stored.annotator, wrong, kept=label is not None)
            if label is None:
                continue
            newest[stored.annotator or stored.identity, prompt_of(label)] = stored, label
        yield from newest.values()


def _stored_labels(store: Store, project: str, task_type: TaskType, *, decided: bool, gold: bool) -> Iterator[_StoredLabel]:
    """Yield current labels by task, then annotator; a standing decision in their stead where ``decided``."""
    for task, rows, decision in current_results(store, project, gold=gold):
        if decided and decision is not None and _stands(decision, rows):
            identity = decision_identity(task.uid)
            yield _StoredLabel(task, identity, task_type.stored(decision.typed), decision.decided_by, decision.decided_at)
        else:
            for row in rows:
                typed = task_type.stored(row.typed)
                yield _StoredLabel(
                    task, label_identity(row.task_uid, row.external_id), typed, row.annotator, row.created_at, row.pulled_at
                )


def _stands(decision: DecisionRow, labels: Sequence[AnnotationRow]) -> bool:
    """Whether a decision counts: an expert's always does, a consensus while the labels are those that it was made from."""
    return decision.method != DecisionMethod.CONSENSUS or set(decision.inputs) == {row.annotation_id for row in labels}
