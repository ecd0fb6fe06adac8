"""Which documents and labels the pairs of datasets rest on, and which pairs rest on a document that was deleted."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from doyen.annotation import TaskLinks, task_links
from doyen.core.lineage import DatasetUse
from doyen.core.records import Pair
from doyen.core.store import Store
from doyen.core.store.schema import AdapterRow, DocumentRow, DocumentVersionRow
from doyen.core.workspace import Workspace

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class DatasetPair:
    """A pair of a dataset, without its texts but for the prompt.

    Attributes:
        group: of the annotation task that it was labelled in, else the pair's own or empty.
    """

    dataset_id: str
    part: str
    pair_id: str
    prompt: str
    source: str
    group: str


def dataset_pairs(workspace: Workspace) -> Iterator[DatasetPair]:
    """Yield the pairs of all datasets whose files are there."""
    for manifest in sorted(workspace.datasets_folder.glob("*/manifest.json")):
        for part in PARTS:
            path = manifest.with_name(f"{part}.jsonl")
            if not path.is_file():
                continue
            with path.open(encoding="utf-8") as lines:
                for line in lines:
                    pair = json.loads(line)
                    tied = pair.get("source") or "", pair.get("group") or ""
                    yield DatasetPair(manifest.parent.name, part, pair["id"], pair["prompt"], *tied)


def document_uses(workspace: Workspace, store: Store, sources: Collection[str], ids: Collection[str]) -> list[DatasetUse]:
    """Return the datasets with pairs that rest on documents, by the source that they name or the task that they come from.

    Args:
        sources, ids: the documents' names, all of both.
    """
    with store.session() as session:
        groups = {task.group for task in task_links(session) if task.documents & set(ids)}
        adapters = list(session.scalars(select(AdapterRow).order_by(AdapterRow.name, AdapterRow.version)))
    counts: dict[str, int] = {}
    for pair in dataset_pairs(workspace):
        if pair.source in sources or pair.group in groups:
            counts[pair.dataset_id] = counts.get(pair.dataset_id, 0) + 1
    return [
        DatasetUse(name, count, tuple(f"{row.name}:{row.version}" for row in adapters if row.dataset_id == name))
        for name, count in counts.items()
    ]


def on_deleted_documents(store: Store, pairs: Sequence[Pair]) -> dict[str, str]:
    """Return why pairs must not be trained on any more: the document that they rest on was deleted.

    A pair names its document, or was labelled in a task that shows it, as one that the document does not answer.

    Returns:
        A sentence by the id of the pair.
    """
    named = {pair.source for pair in pairs if pair.source}
    groups = {pair.group for pair in pairs if pair.group}
    with store.session() as session:
        present = dict(session.execute(select(DocumentRow.document_id, DocumentRow.source)).tuples().all())
        known = set(session.scalars(select(DocumentVersionRow.source).distinct()))
        gone = named & known - set(present.values())
        tasks = {task.group: task for task in task_links(session) if task.group in groups and task.documents - present.keys()}
    reasons: dict[str, str] = {}
    for pair in pairs:
        task: TaskLinks | None = tasks.get(pair.group or "")
        if pair.source in gone or task is not None:
            name = pair.source if pair.source in gone or task is None else task.source
            reasons[pair.id] = f"its document {name!r} was deleted"
    return reasons
