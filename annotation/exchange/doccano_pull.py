"""Pulling labels from a Doccano server into a project: repeatable, safe to interrupt, deletions reconciled."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sqlalchemy import Select, select

from doyen.annotation.create import create_project
from doyen.annotation.exchange.doccano_jsonl import read_row
from doyen.annotation.exchange.doccano_server import (
    KINDS_OF_PROJECT,
    DoccanoExample,
    DoccanoProject,
    DoccanoServer,
)
from doyen.annotation.exchange.label_import import ImportedLabel, import_batches
from doyen.annotation.exchange.losses import Losses
from doyen.annotation.exchange.pair_import import ImportReport
from doyen.annotation.exchange.transfer import problems_in
from doyen.annotation.projects import sync_lock
from doyen.annotation.store import IMPORTED, find_project, get_project, task_type_of
from doyen.annotation.types.descriptions import LabelDescription, TaskDescription, default_description
from doyen.annotation.types.typed_labels import LabelError
from doyen.core.errors import InputError
from doyen.core.files import write_json_atomic
from doyen.core.manifest import short_id
from doyen.core.progress import Reporter, Silent
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationRow, AnnotationTaskRow
from doyen.core.workspace import Workspace


@dataclass
class DoccanoReport:
    """What a pull from a Doccano server did.

    Attributes:
        examples: how many the server has; confirmed: how many of them somebody has confirmed.
        asked: of how many the labels were asked for.
        removed: labels that are gone or no longer confirmed over there; kept, no longer current.
        complete: whether the whole list was seen; examples may slip through while others are deleted, which the next pull
            mends.
        own_labels_only: the project is not collaborative, so that the account was shown its own labels alone.
        problems: labels that cannot be used, each in a sentence; they are not stored.
    """

    project: str
    location: str
    examples: int = 0
    confirmed: int = 0
    asked: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    complete: bool = False
    own_labels_only: bool = False
    losses: Losses = field(default_factory=Losses)
    problems: list[str] = field(default_factory=list)


def pull_doccano(
    workspace: Workspace,
    store: Store,
    project: str,
    server: DoccanoServer,
    remote_id: int,
    *,
    kind: str | None = None,
    only_new: bool = False,
    reporter: Reporter | None = None,
) -> DoccanoReport:
    """Fetch the labels of confirmed examples, and keep every version of every label.

    Doccano does not tell which labels changed, so those of each confirmed example are asked for, one or two requests an
    example. ``only_new`` leaves out examples whose labels are here already: changes in those are seen by the next pull
    without it. It counts only after a complete pull, whose time is remembered when it has gone through.

    Args:
        kind: task type of a project that does not exist yet; default: what the Doccano project holds first.

    Raises:
        NotFoundError: the server has no such project.
        InputError: the two projects' types do not fit.
        ServiceError: the server failed; what had arrived stays.
        Busy: another process is syncing this project.
    """
    remote = server.project(remote_id)
    _make_project(workspace, store, project, server, remote, kind)
    own = "" if remote.collaborative else f"{server.account()}:"
    source = f"doccano-{short_id(server.url, str(remote_id))}:{own}"
    report = DoccanoReport(project, server.url, own_labels_only=not remote.collaborative)
    memory = _memory(workspace, project)
    with sync_lock(workspace, project):
        began = server.now().isoformat()
        held = _held_examples(store, project, source) if only_new and source in _marks(memory) else set()
        pass_ = _Pass(store, project, source, held, report)
        counts = ImportReport(project)
        with (reporter or Silent()).bar("pulling labels from Doccano", server.count_examples(remote)) as bar:
            found = server.examples(remote, get_project(store, project).task_type, held)
            for batch in import_batches(store, project, pass_.labels(found, bar.advance), counts):
                pass_.present.update(row.external_id for row in batch)
        report.added, report.updated, report.unchanged = counts.added, counts.updated, counts.unchanged
        slipped = pass_.reconcile(lambda example: server.is_confirmed(remote, example))
        report.complete = not slipped and len(pass_.examples) == server.count_examples(remote)
        if report.complete:
            write_json_atomic(memory, _marks(memory) | {source: began})
    return report


def report_as_json(report: DoccanoReport) -> dict[str, object]:
    """Return the report as plain values."""
    return {**asdict(report), "losses": report.losses.as_json()}


class _Pass:
    """One pull: what was seen, and what is gone.

    Attributes:
        present: external ids of the labels that are there.
        examples: ids of all examples; the list is cut into pages, and may shift while it is read.
    """

    def __init__(self, store: Store, project: str, source: str, held: set[int], report: DoccanoReport) -> None:
        self._store, self._project, self._source, self._held, self.report = store, project, source, held, report
        self._task_type = task_type_of(get_project(store, project))
        self.present: set[str] = set()
        self.examples: set[int] = set()
        self._kept: set[int] = set()

    def labels(self, examples: Iterator[DoccanoExample], advance: Callable[[float], None]) -> Iterator[ImportedLabel]:
        """Yield the labels of the examples; what cannot be used is noted."""
        for example in examples:
            advance(1)
            self.report.examples += 1
            self.examples.add(example.id)
            self.report.confirmed += example.confirmed
            if example.confirmed and example.id in self._held:
                self._kept.add(example.id)
            if example.row is None:
                continue
            self.report.asked += 1
            yield from self._labels_of(example, example.row)

    def _labels_of(self, example: DoccanoExample, row: dict[str, object]) -> Iterator[ImportedLabel]:
        name = f"{self._source}{example.id}"
        parts = [str(label) for label in example.label_ids] or [""]
        try:
            found = list(read_row(row, self._task_type.name, self.report.losses))
            problems = [problem for item in found for problem in problems_in(item, self._task_type)]
        except LabelError as error:
            found, problems = [], error.problems
        self.report.problems += [f"example {example.id}: {problem}" for problem in problems]
        if not problems:
            yield from (
                ImportedLabel(item, f"{name}:{part}" if part else name, part) for item, part in zip(found, parts, strict=False)
            )

    def reconcile(self, is_confirmed: Callable[[int], bool]) -> set[int]:
        """Withdraw labels that are gone over there; labels from elsewhere stay.

        Args:
            is_confirmed: asks the server about an example that the list did not show: it may have slipped through.

        Returns:
            Ids of examples that have.
        """
        with self._store.session() as session:
            missing = [
                row
                for row in session.scalars(_from_source(self._project, self._source))
                if row.external_id not in self.present and _example_of(row, self._source) not in self._kept
            ]
            unseen = {_example_of(row, self._source) for row in missing} - self.examples
            slipped = {example for example in unseen if is_confirmed(example)}
            for row in missing:
                if _example_of(row, self._source) not in slipped:
                    row.current = False
                    self.report.removed += 1
        return slipped


def _make_project(
    workspace: Workspace, store: Store, project: str, server: DoccanoServer, remote: DoccanoProject, kind: str | None
) -> None:
    """Make the project where it is missing, with the labels of the one over there. Raises InputError."""
    fitting = KINDS_OF_PROJECT.get(remote.kind, ())
    existing = find_project(store, project)
    kind = existing.task_type if existing else kind or next(iter(fitting), "")
    if kind not in fitting:
        known = ", ".join(fitting) or "none, only texts are read"
        raise InputError(f"a Doccano project of type {remote.kind} holds no labels of type {kind or '?'}: it holds {known}")
    if existing is None:
        create_project(workspace, store, project, description=_description(server, remote, kind))


def _description(server: DoccanoServer, remote: DoccanoProject, kind: str) -> TaskDescription:
    if kind == "prompt-response":
        return default_description(kind)
    whole = kind in {"classification", "sentiment"}
    names = server.label_names(remote, "category" if whole else "span").values()
    relations = server.label_names(remote, "relation").values() if kind == "entities" and remote.relations else ()
    return TaskDescription(
        type=kind,
        title=remote.name,
        labels=tuple(LabelDescription(name=name) for name in names),
        multiple=kind == "classification" and not remote.exclusive,
        relations=tuple(relations),
    )


def _from_source(project: str, source: str) -> Select[AnnotationRow]:
    """Select the current labels of a project that came from there."""
    return (
        select(AnnotationRow)
        .join(AnnotationTaskRow, AnnotationRow.task_uid == AnnotationTaskRow.uid)
        .where(
            AnnotationTaskRow.project == project,
            AnnotationRow.current,
            AnnotationRow.external_id.startswith(IMPORTED + source, autoescape=True),
        )
    )


def _held_examples(store: Store, project: str, source: str) -> set[int]:
    """Return ids of the examples whose labels are here."""
    with store.session() as session:
        return {_example_of(row, source) for row in session.scalars(_from_source(project, source))}


def _example_of(row: AnnotationRow, source: str) -> int:
    return int(row.external_id.removeprefix(IMPORTED + source).split(":")[0])


def _memory(workspace: Workspace, project: str) -> Path:
    """Return the file that remembers when each source was last seen completely."""
    return workspace.annotation_folder / f".{project}.doccano.json"


def _marks(memory: Path) -> dict[str, str]:
    return json.loads(memory.read_text(encoding="utf-8")) if memory.exists() else {}
