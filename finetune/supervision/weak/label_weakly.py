"""``doyen label weak``: from labelling functions to drafts and soft labels of a project, as one sequence of steps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doyen.annotation import get_project, labelled_texts, redraft_tasks, task_texts
from doyen.annotation.quality.gold import gold_labels
from doyen.annotation.store import task_type_of
from doyen.annotation.task_types import TaskType
from doyen.annotation.types.descriptions import TypeName
from doyen.annotation.types.typed_labels import Classes, Label
from doyen.core.errors import InputError
from doyen.core.files import new_folder, sha256_file, write_json_atomic, write_text_atomic
from doyen.core.manifest import build_manifest, fingerprint
from doyen.core.progress import Reporter, Silent
from doyen.core.settings import WeakSettings
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.finetune.supervision.weak.functions import LabellingFunction, TextItem, load_functions
from doyen.finetune.supervision.weak.rules import load_rules
from doyen.finetune.supervision.weak.soft_labels import (
    SoftDrafter,
    SoftLabel,
    soft_classes,
    soft_pairs,
    soft_several,
    soft_spans,
)
from doyen.finetune.supervision.weak.vote_aggregation import (
    CLASS_METHODS,
    SPAN_METHODS,
    Method,
    aggregate_several,
    aggregate_spans,
    aggregate_votes,
    choose_method,
)
from doyen.finetune.supervision.weak.votes import SeveralVotes, SpanVotes, Votes, collect_several, collect_spans, collect_votes
from doyen.finetune.supervision.weak.weak_report import WeakReport, measure

SOFT_LABELS, MANIFEST = "soft_labels.jsonl", "manifest.json"


@dataclass(frozen=True)
class _Asked:
    """A project as labelling functions see it."""

    task_type: TaskType
    items: tuple[TextItem, ...]
    known: Mapping[str, Label]
    settings: WeakSettings

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.task_type.description.label_names)

    @property
    def marks(self) -> bool:
        return self.task_type.name == TypeName.ENTITIES

    @property
    def several(self) -> bool:
        return self.task_type.description.multiple


def label_weakly(
    workspace: Workspace,
    store: Store,
    project: str,
    files: Sequence[Path],
    *,
    method: str | None = None,
    threshold: float | None = None,
    pairs: Path | None = None,
    only_table: bool = False,
    reporter: Reporter | None = None,
) -> WeakReport:
    """Ask labelling functions about a project's texts, aggregate their votes, and propose the labels as drafts.

    The drafts of open tasks are replaced, and those of texts on which the functions are not sure are emptied. Labels of
    people, and gold items, measure the functions; none of them is changed, and their texts get no soft label or pair.

    Args:
        files: Python files with labelling functions, which are run as the user's own code, and TOML files of rules.
        method: of aggregation; None takes the label model for classes, the HMM for entities.
        threshold: in place of ``supervision.weak.threshold``.
        pairs: writes the plain labels as training pairs to this file.
        only_table: changes and writes nothing.

    Raises:
        NotFoundError: there is no such project.
        InputError: a file cannot be used, the project's labels are no classes, sentiments or entities, or the method does
            not fit them.
        MissingPart: a method's library is not installed.
    """
    reporter = reporter or Silent()
    asked = _look_at(workspace, store, project, threshold)
    functions = _load(workspace, files, asked)
    votes, soft, chosen = _aggregate(asked, functions, method, reporter)
    manifest = _manifest(project, asked, files, chosen)
    version = f"weak-{chosen}-{manifest['fingerprint'][:8]}"
    limit = asked.settings.threshold
    report = measure(project, votes, soft, asked.known, limit, chosen, version)
    if only_table:
        return report
    unknown = [each for each in soft if each.item.id not in asked.known]
    folder = workspace.supervision_folder / project / version
    _write(folder, unknown, limit, manifest)
    drafted = redraft_tasks(store, project, SoftDrafter(soft, limit, version), reporter=reporter)
    made = list(soft_pairs(unknown, asked.task_type, limit, version)) if pairs else []
    if pairs:
        lines = (json.dumps(pair.model_dump(exclude_defaults=True), ensure_ascii=False) + "\n" for pair in made)
        write_text_atomic(pairs, "".join(lines))
    return replace(report, drafted=drafted, pairs=len(made), folder=folder)


def _look_at(workspace: Workspace, store: Store, project: str, threshold: float | None) -> _Asked:
    task_type = task_type_of(get_project(store, project))
    if task_type.name not in {TypeName.CLASSIFICATION, TypeName.SENTIMENT, TypeName.ENTITIES}:
        kind = f"labels of type {task_type.name}"
        raise InputError(f"project {project!r} has {kind}: labelling functions give classes, a sentiment, or entities")
    items = tuple(TextItem(task.item_id, task.text, task.meta) for task in task_texts(store, project))
    if not items:
        raise InputError(f"project {project!r} has no texts: make tasks with `doyen annotate create --project {project}`")
    known = {found.item_id: found.label for found in labelled_texts(store, project)} | gold_labels(store, project)
    settings = workspace.settings.supervision.weak
    if threshold is not None:
        settings = settings.model_copy(update={"threshold": threshold})
    return _Asked(task_type, items, known, settings)


def _load(workspace: Workspace, files: Sequence[Path], asked: _Asked) -> list[LabellingFunction]:
    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        from doyen.retrieval.embedder import open_embedder

        return open_embedder(workspace.settings.retrieval).encode(texts)

    functions: list[LabellingFunction] = []
    for path in files:
        rules = path.suffix.lower() == ".toml"
        kinds = {"marks": asked.marks, "several": asked.several}
        functions += load_rules(path, asked.labels, embed=embed, **kinds) if rules else load_functions(path)
    return functions


def _aggregate(
    asked: _Asked, functions: Sequence[LabellingFunction], method: str | None, reporter: Reporter
) -> tuple[Votes | SeveralVotes | SpanVotes, list[SoftLabel], Method]:
    if asked.marks:
        chosen = choose_method(method, SPAN_METHODS)
        spans = collect_spans(functions, asked.items, asked.labels, reporter)
        return spans, soft_spans(spans, aggregate_spans(spans, chosen)), chosen
    chosen = choose_method(method, CLASS_METHODS)
    settings = asked.settings
    fitting: dict[str, Any] = {name: getattr(settings, name) for name in ("epochs", "learning_rate", "seed")}
    fitting["balance"] = _balance(asked)
    if asked.several:
        several = collect_several(functions, asked.items, asked.labels, reporter)
        return several, soft_several(several, aggregate_several(several, chosen, **fitting)), chosen
    votes = collect_votes(functions, asked.items, asked.labels, reporter)
    return votes, soft_classes(votes, aggregate_votes(votes, chosen, **fitting)), chosen


def _balance(asked: _Asked) -> NDArray[np.float64] | None:
    """Return the shares of the classes among known labels, each counted once more so that none is 0; None: all alike.

    Of several classes it is always the share of the known texts to which each applies, beside one text to which it does and one
    to which it does not: how rare a class is decides what a vote for it is worth.
    """
    if asked.settings.balance == "equal" and not asked.several:
        return None
    truth = [label.labels for label in asked.known.values() if isinstance(label, Classes)]
    counts = np.array([1.0 + sum(name in labels for labels in truth) for name in asked.labels])
    return counts / (len(truth) + 2 if asked.several else counts.sum())


def _manifest(project: str, asked: _Asked, files: Sequence[Path], method: Method) -> dict[str, Any]:
    inputs = {
        "project": project,
        "description": fingerprint(asked.task_type.description.model_dump(mode="json")),
        "texts": fingerprint([[item.id, item.text] for item in asked.items]),
        "functions": {path.name: sha256_file(path) for path in files},
    }
    settings = {**asked.settings.model_dump(mode="json"), "method": method}
    return build_manifest("soft-labels", inputs=inputs, settings=settings, seed=asked.settings.seed)


def _write(folder: Path, soft: Sequence[SoftLabel], threshold: float, manifest: Mapping[str, Any]) -> None:
    with new_folder(folder) as target:
        lines = (json.dumps(each.to_json(threshold), ensure_ascii=False) + "\n" for each in soft)
        write_text_atomic(target / SOFT_LABELS, "".join(lines))
        write_json_atomic(target / MANIFEST, manifest)
