"""Labels of other tools as tasks and annotations of a project, and a project's labels in other tools' formats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from doyen.annotation.create import DEFAULT_TYPE, create_project
from doyen.annotation.current_labels import labelled_texts
from doyen.annotation.exchange.formats import Losses, get_format, read_labels
from doyen.annotation.exchange.label_import import ORIGIN, ImportReport, store_labels
from doyen.annotation.exchange.record_files import SHOWN, listed
from doyen.annotation.store import find_project, get_project, task_type_of
from doyen.annotation.task_types import TaskType, get_task_type
from doyen.annotation.types.descriptions import RULES, LabelDescription, TaskDescription, default_description, has_default
from doyen.annotation.types.typed_labels import Classes, Entities, LabelledText
from doyen.core.errors import InputError, RecordError
from doyen.core.progress import Reporter
from doyen.core.store import Store
from doyen.core.workspace import Workspace


@dataclass(frozen=True)
class FileImport:
    """What the import of a file did.

    Attributes:
        created: whether the project was made for it, with a description that follows from the labels.
        losses: what of the file is not carried.
    """

    report: ImportReport
    created: bool
    losses: Losses


@dataclass
class FileExport:
    """What an export wrote.

    Attributes:
        labels: how many labels were given to the format; the losses say how many of them it left out.
        problems: a sentence for each label that is not valid and so was left out before.
    """

    labels: int = 0
    losses: Losses = field(default_factory=Losses)
    problems: list[str] = field(default_factory=list)


def import_labels(
    workspace: Workspace,
    store: Store,
    project: str,
    path: Path,
    format_name: str,
    *,
    kind: str | None = None,
    annotator: str = "",
    reporter: Reporter | None = None,
) -> FileImport:
    """Take the labels of a file into a project: all of them, or none where one is broken; repeating it changes nothing.

    A project that does not exist is made, with the labels that the file uses.

    Args:
        kind: task type; default: the project's.
        annotator: who labelled what names nobody.

    Raises:
        NotFoundError: there is no such format or task type.
        InputError: the format cannot carry the type; the project has another type; the file holds no label.
        RecordError: broken records, or labels that the project does not know: the first ten.
        Busy: another process is syncing this project.
    """
    existing = find_project(store, project)
    kind = kind or (existing.task_type if existing else DEFAULT_TYPE)
    if existing is not None and existing.task_type != kind:
        raise InputError(f"project {project!r} has task type {existing.task_type}, not {kind}: leave --type out")
    if existing is not None:
        task_type = task_type_of(existing)
    else:
        task_type = get_task_type(kind, infer_description(kind, read_labels(path, format_name, kind, Losses())))
    _check_all(path, task_type, read_labels(path, format_name, kind, Losses()))
    if existing is None:
        create_project(workspace, store, project, description=task_type.description)
    losses = Losses()
    labels = read_labels(path, format_name, kind, losses)
    named = (replace(item, annotator=item.annotator or annotator) for item in labels)
    report = store_labels(workspace, store, project, named, reporter=reporter)
    return FileImport(report, created=existing is None, losses=losses)


def export_labels(store: Store, project: str, path: Path, format_name: str) -> FileExport:
    """Write a project's current labels in another tool's format, whole or not at all; memory does not grow with them.

    Labels that were imported get back their ids and whatever else came with them.

    Raises:
        NotFoundError: there is no such project or format.
        InputError: the format cannot carry the project's labels, or there are none.
    """
    found = get_format(format_name, get_project(store, project).task_type, to_write=True)
    result = FileExport()
    labels = labelled_texts(store, project, problems=result.problems)
    first = next(labels, None)
    if first is None:
        raise InputError(f"project {project!r} has no labels yet: pull or import some first")

    def counted() -> Iterator[LabelledText]:
        for item in chain([first], labels):
            result.labels += 1
            yield _restored(item)

    found.write(counted(), path, result.losses)
    return result


def infer_description(kind: str, labels: Iterable[LabelledText]) -> TaskDescription:
    """Return a description with the labels and relations that are used, or the type's default where it has them all.

    Raises:
        DescriptionError: a label's name cannot be one.
    """
    names: dict[str, None] = {}
    relations: dict[str, None] = {}
    multiple = False
    for item in labels:
        names |= dict.fromkeys(region.label for region in item.label.stretches())
        if isinstance(item.label, Classes):
            names |= dict.fromkeys(item.label.labels)
            multiple = multiple or len(item.label.labels) != 1
        if isinstance(item.label, Entities):
            relations |= dict.fromkeys(relation.label for relation in item.label.relations)
    if not RULES[kind].labels:
        return default_description(kind)
    if has_default(kind):
        default = default_description(kind)
        if set(names) <= set(default.label_names):
            return default
    described = tuple(LabelDescription(name=name) for name in names)
    return TaskDescription(
        type=kind,
        labels=described,
        multiple=multiple and RULES[kind].multiple,
        relations=tuple(filter(None, relations)),
    )


def _check_all(path: Path, task_type: TaskType, labels: Iterable[LabelledText]) -> None:
    """Check every label against the project's description.

    Raises:
        RecordError: labels that the project does not know, or that its task type does not allow: the first ten.
    """
    problems: list[str] = []
    broken = 0
    for item in labels:
        found = problems_in(item, task_type)
        broken += bool(found)
        if found and len(problems) < SHOWN:
            problems.append(f"item {item.item_id!r}: {'; '.join(found)}")
    if problems:
        raise RecordError(
            f"{path}: {broken} label(s) do not fit the project, nothing was imported:\n{listed(problems, broken)}"
        )


def problems_in(item: LabelledText, task_type: TaskType) -> list[str]:
    """Return what of a label a project of that type does not know or allow; empty when it fits."""
    data = {"uid": "check", "text": item.text}
    return task_type.problems(task_type.write(item.label, data), data)


def _restored(item: LabelledText) -> LabelledText:
    """Give an imported label back the id and the metadata with which its item came."""
    origin = item.meta.get(ORIGIN)
    return replace(item, item_id=origin["item_id"], meta=origin["meta"]) if origin else item
