"""What the workspace's trainings say of labelled answers: the area under the margin of each that an adapter has learnt."""

from __future__ import annotations

from collections.abc import Sequence

from doyen.annotation.types.typed_labels import LabelledText, PromptResponse
from doyen.core.errors import DoyenError
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.finetune.dataset import load_dataset
from doyen.finetune.margins import MARGINS, read_areas
from doyen.finetune.registry import GENERATOR, Registry

LEAST_PAIRS = 20
"""Learnt labels below which none stands out."""


def find_areas(workspace: Workspace, store: Store, labelled: Sequence[LabelledText]) -> tuple[dict[int, float], str]:
    """Return the areas under the margin by place in ``labelled``, and the adapter whose training they are from.

    It is the newest that has learnt at least ``LEAST_PAIRS`` of the labels, as they are now: a label that was changed since is
    not among them. Without one, nothing and an empty name.
    """
    asked = {}
    for row, each in enumerate(labelled):
        if isinstance(each.label, PromptResponse):
            asked[row] = (each.label.prompt.strip(), each.label.response.strip())
    adapters = Registry(workspace, store).list(kind=GENERATOR)
    for adapter in sorted(adapters, key=lambda adapter: adapter.created_at, reverse=True):
        areas = read_areas(adapter.folder / MARGINS)
        try:
            pairs = load_dataset(workspace, adapter.dataset_id).train if areas else []
        except DoyenError:
            continue  # its dataset was deleted or changed
        learnt = {(pair.prompt.strip(), pair.response.strip()): areas[pair.id] for pair in pairs if pair.id in areas}
        found = {row: learnt[pair] for row, pair in asked.items() if pair in learnt}
        if len(found) >= LEAST_PAIRS:
            return found, adapter.ref
    return {}, ""
