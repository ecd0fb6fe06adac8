"""What an adapter is, was made from, and how well it did: from its manifest, its dataset, its lineage and the reports."""

from __future__ import annotations

import json
from typing import Any

from doyen.core.costs import COST
from doyen.core.errors import NotFoundError, StorageError
from doyen.core.modes import ADAPTER_MODES, PASSAGE_MODES
from doyen.core.report_files import read_figures, report_folders
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.finetune.adapter_lineage import ancestors
from doyen.finetune.model_card import AdapterEvaluation, CardFacts, card_text
from doyen.finetune.registry import READER, Adapter, Registry
from doyen.platform.adapters.adapter_use import adapters_in_use

MANIFEST = "manifest.json"


def card_facts(workspace: Workspace, store: Store, adapter: Adapter) -> CardFacts:
    """Return what the workspace knows of an adapter beside its own manifest."""
    lineage = [each if isinstance(each, str) else each.ref for each in ancestors(Registry(workspace, store), adapter)]
    return CardFacts(
        lineage=lineage,
        dataset=_dataset(workspace, adapter.dataset_id),
        evaluations=evaluations_of(workspace, adapter),
        in_use=adapters_in_use(workspace, store).get(adapter.ref, ()),
    )


def read_card(workspace: Workspace, store: Store, adapter: Adapter) -> str:
    """Return the card as Markdown; see `card_text`."""
    return card_text(adapter, card_facts(workspace, store, adapter))


def card_json(adapter: Adapter, facts: CardFacts) -> dict[str, Any]:
    """Return the card as JSON values.

    Returns:
        adapter, kind, stage, base_model, base_sha256, dataset, lineage, settings, seed, libraries, training, cost,
        evaluations, promotions, in_use.
    """
    manifest = adapter.manifest
    counted = ("examples", "validation_loss", "validation", "best_step", "peak_memory_mb", "seconds", "forgetting")
    return {
        "adapter": adapter.ref,
        "kind": adapter.kind,
        "stage": adapter.stage,
        "created_at": adapter.created_at,
        "base_model": adapter.base_model,
        "base_sha256": adapter.base_sha256,
        "fingerprint": manifest.get("fingerprint", ""),
        "dataset": {"id": adapter.dataset_id, **facts.dataset},
        "lineage": list(facts.lineage),
        "inputs": manifest.get("inputs", {}),
        "settings": manifest.get("settings", {}),
        "seed": manifest.get("seed"),
        "libraries": {"doyen": manifest.get("doyen"), "python": manifest.get("python"), **manifest.get("libraries", {})},
        "training": {name: manifest[name] for name in counted if name in manifest},
        "cost": manifest.get(COST),
        "evaluations": [each.to_json() for each in facts.evaluations],
        "promotions": manifest.get("promotions", []),
        "in_use": list(facts.in_use),
    }


def evaluations_of(workspace: Workspace, adapter: Adapter) -> list[AdapterEvaluation]:
    """Return what the workspace's reports say of exactly this training, newest first: its modes with their figures."""
    part = "reader" if adapter.kind == READER else "adapter"
    found = []
    for name, folder in report_folders(workspace.reports_folder).items():
        try:
            data = read_figures(folder)
        except (NotFoundError, StorageError):
            continue
        if data.get(part) == adapter.ref and data.get(f"{part}_fingerprint") == adapter.manifest.get("fingerprint"):
            found.append(_evaluation(name, data, part == "reader"))
    return sorted(found, key=lambda each: each.created_at, reverse=True)


def _evaluation(name: str, data: dict[str, Any], of_reader: bool) -> AdapterEvaluation:
    own = PASSAGE_MODES if of_reader else ADAPTER_MODES
    return AdapterEvaluation(
        report=name,
        created_at=data["manifest"]["created_at"],
        n=data.get("questions", {}).get("n") or 0,
        gate_open=(data.get("gate") or {}).get("open"),
        modes={mode: figures["metrics"] for mode, figures in data["modes"].items() if mode in own},
    )


def _dataset(workspace: Workspace, dataset_id: str) -> dict[str, Any]:
    """Return the figures of a dataset; nothing where its files are gone."""
    path = workspace.datasets_folder / dataset_id / MANIFEST
    if not dataset_id or not path.is_file():
        return {}
    manifest = json.loads(path.read_text(encoding="utf-8"))
    return {name: manifest[name] for name in ("counts", "fingerprint", "created_at") if name in manifest}
