"""What an adapter was trained from, one training after the other, and which questions none of them has seen."""

from __future__ import annotations

from doyen.core.workspace import Workspace
from doyen.finetune.dataset import excluded_questions
from doyen.finetune.reading_adapter import shipped_adapter
from doyen.finetune.registry import GENERAL_READING, Adapter, Registry


def ancestors(registry: Registry, adapter: Adapter) -> list[Adapter | str]:
    """Return what a training started from, the parent first, then the parent's; deleted versions are told, too.

    Returns:
        The name of one that this workspace knows nothing of, as the last.
    """
    found: list[Adapter | str] = []
    known = {each.ref: each for each in registry.list()}
    if shipped := shipped_adapter():
        known.setdefault(shipped.ref, shipped)
    while reference := adapter.manifest.get("parent"):
        parent = known.get(reference) or registry.find_deleted(reference)
        if parent is None or parent in found:
            return [*found, reference] if parent is None else found
        found.append(adapter := parent)
    return found


def unseen_questions(workspace: Workspace, registry: Registry, adapter: Adapter) -> frozenset[str] | None:
    """Return the hashes (`Question.asked_hash`) of the questions that every dataset of an adapter's lineage kept out.

    General reading adapters are trained on paragraphs of no dataset here, and leave out none.

    Returns:
        None where a dataset is gone or does not record them, or an ancestor is unknown.
    """
    unseen: frozenset[str] | None = None
    for each in (adapter, *ancestors(registry, adapter)):
        if isinstance(each, str):
            return None
        if each.kind == GENERAL_READING and each is not adapter:
            continue
        kept_out = excluded_questions(workspace, each.dataset_id)
        if kept_out is None:
            return None
        unseen = kept_out if unseen is None else unseen & kept_out
    return unseen
