"""Pulling labels from a Doccano server into a project: repeatable, safe to interrupt, deletions reconciled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from doyen.annotation.create import create_project
from doyen.annotation.exchange.columns import CLASS_KINDS
from doyen.annotation.exchange.doccano_jsonl import read_row
from doyen.annotation.exchange.doccano_server import KINDS_OF_PROJECT, DoccanoExample, DoccanoProject, DoccanoServer
from doyen.annotation.exchange.label_import import ImportedLabel, ImportReport, import_batches
from doyen.annotation.exchange.record_files import Losses
from doyen.annotation.exchange.transfer import problems_in
from doyen.annotation.projects import sync_lock
from doyen.annotation.store import IMPORTED, find_project, get_project, labels_imported_from, task_type_of
from doyen.annotation.task_types import TaskType
from doyen.annotation.types.descriptions import RULES, LabelDescription, TaskDescription, default_description
from doyen.annotation.types.typed_labels import LabelError
from doyen.core.errors import InputError
from doyen.core.files import write_json_atomic
from doyen.core.manifest import short_id
from doyen.core.progress import Reporter, Silent
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationRow
from doyen.core.workspace import Workspace


@dataclass
class DoccanoReport(ImportReport):
    """What a pull from a Doccano server did.

    Attributes:
        examples: how many the server has; confirmed: how many of them somebody has confirmed.
        asked: of how many the labels were asked for.
        removed: labels that are gone or no longer confirmed over there; kept, no longer current.
        complete: whether the whole list was seen; examples may be missed while others are deleted, and come with the next
            pull.
        own_labels_only: the project is not collaborative, so that the account was shown its own labels alone.
        problems: labels that cannot be used, each in a sentence; they are not stored.
    """

    location: str = ""
    examples: int = 0
    confirmed: int = 0
    asked: int = 0
    removed: int = 0
    complete: bool = False
    own_labels_only: bool = False
    losses: Losses = field(default_factory=Losses)
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """Return the report as plain values."""
        return {**asdict(self), "losses": self.losses.as_json()}


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
    task_type = _ensure_project(workspace, store, project, server, remote, kind)
    account = "" if remote.collaborative else f"{server.account()}:"
    source = f"doccano-{short_id(server.url, str(remote_id))}:{account}"
    report = DoccanoReport(project, location=server.url, own_labels_only=not remote.collaborative)
    memory = workspace.annotation_folder / f".{project}.doccano.json"
    with sync_lock(workspace, project):
        complete_pulls = json.loads(memory.read_text(encoding="utf-8")) if memory.exists() else {}
        began = server.now().isoformat()
        with store.session() as session:
            here = {_example_of(row, source) for row in labels_imported_from(session, project, source)}
        held = here if only_new and source in complete_pulls else set()
        seen: dict[int, bool] = {}
        stored: set[str] = set()
        with (reporter or Silent()).bar("pulling labels from Doccano", server.count_examples(remote)) as bar:

            def labels() -> Iterator[ImportedLabel]:
                for example in server.examples(remote, task_type.name, held):
                    bar.advance(1)
                    seen[example.id] = example.confirmed
                    yield from _labels_of(example, source, task_type, report)

            for batch in import_batches(store, project, labels(), report):
                stored.update(row.external_id for row in batch)
        report.examples, report.confirmed = len(seen), sum(seen.values())
        unasked = {example for example in held if seen.get(example)}
        with store.session() as session:
            rows = labels_imported_from(session, project, source)
            missing = [row for row in rows if row.external_id not in stored and _example_of(row, source) not in unasked]
            missed = {_example_of(row, source) for row in missing} - seen.keys()
            # The list is cut into pages, and may shift while it is read: the server is asked about what it did not show.
            missed = {example for example in missed if server.is_confirmed(remote, example)}
            for row in missing:
                row.current = _example_of(row, source) in missed
                report.removed += not row.current
        report.complete = not missed and len(seen) == server.count_examples(remote)
        if report.complete:
            write_json_atomic(memory, complete_pulls | {source: began})
    return report


def _labels_of(example: DoccanoExample, source: str, task_type: TaskType, report: DoccanoReport) -> Iterator[ImportedLabel]:
    """Yield the labels of an example that was asked for; what cannot be used is noted."""
    if example.row is None:
        return
    report.asked += 1
    try:
        found = list(read_row(example.row, task_type.name, report.losses))
        problems = [problem for item in found for problem in problems_in(item, task_type)]
    except LabelError as error:
        found, problems = [], error.problems
    report.problems += [f"example {example.id}: {problem}" for problem in problems]
    if not problems:
        name, parts = f"{source}{example.id}", [str(label) for label in example.label_ids] or [""]
        for item, part in zip(found, parts, strict=False):
            yield ImportedLabel(item, f"{name}:{part}" if part else name, part)


def _example_of(row: AnnotationRow, source: str) -> int:
    return int(row.external_id.removeprefix(IMPORTED + source).split(":")[0])


def _ensure_project(
    workspace: Workspace, store: Store, project: str, server: DoccanoServer, remote: DoccanoProject, kind: str | None
) -> TaskType:
    """Make the project where it is missing, with the labels of the one over there; return its type. Raises InputError."""
    fitting = KINDS_OF_PROJECT.get(remote.kind, ())
    existing = find_project(store, project)
    kind = existing.task_type if existing else kind or next(iter(fitting), "")
    if kind not in fitting:
        known = ", ".join(fitting) or "none, only texts are read"
        raise InputError(f"a Doccano project of type {remote.kind} holds no labels of type {kind or '?'}: it holds {known}")
    if existing is None:
        create_project(workspace, store, project, description=_description(server, remote, kind))
    return task_type_of(get_project(store, project))


def _description(server: DoccanoServer, remote: DoccanoProject, kind: str) -> TaskDescription:
    if not RULES[kind].labels:
        return default_description(kind)
    names = server.label_names(remote, "category" if kind in CLASS_KINDS else "span").values()
    relations = server.label_names(remote, "relation").values() if RULES[kind].relations and remote.relations else ()
    return TaskDescription(
        type=kind,
        title=remote.name,
        labels=tuple(LabelDescription(name=name) for name in names),
        multiple=RULES[kind].multiple and not remote.exclusive,
        relations=tuple(relations),
    )
