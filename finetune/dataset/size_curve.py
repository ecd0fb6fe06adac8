"""The workspace's own learning curve: what models reached that learnt from more and more labels."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from doyen.core.errors import DoyenError
from doyen.core.modes import Mode
from doyen.core.report_files import DATA, read_figures
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.finetune.dataset.advice import CurvePoint, curve_advice
from doyen.finetune.dataset.stored import Dataset, dataset_rows
from doyen.finetune.registry import READER, Registry

SCORED = (Mode.HYBRID, Mode.FINETUNE)
"""Modes that answer with the adapter; the first that a report has counts."""


def workspace_curve(workspace: Workspace, store: Store, dataset: Dataset) -> list[str]:
    """Return what this workspace's own models say about labelling more of what a dataset was made of.

    The curve of active learning counts where the dataset's project has one, else trainings on its versions.
    """
    points = _rounds(workspace, dataset) or curve_points(workspace, store, dataset.name)
    return curve_advice(points, dataset.manifest["counts"]["train"])


def curve_points(workspace: Workspace, store: Store, name: str) -> list[CurvePoint]:
    """Return size and score of each training on a version of a dataset.

    Scores are the token F1 of reports that asked the same questions; where fewer than two sizes have one, that of readers on
    their validation pairs.
    """
    sizes = {row.dataset_id: int(row.manifest["counts"]["train"]) for row in dataset_rows(store) if row.name == name}
    adapters = [adapter for adapter in Registry(workspace, store).list() if adapter.dataset_id in sizes]
    trained = {adapter.manifest.get("fingerprint"): sizes[adapter.dataset_id] for adapter in adapters}
    asked: dict[str, list[CurvePoint]] = defaultdict(list)
    for path in workspace.reports_folder.glob(f"*/{DATA}"):
        report = _figures(path.parent)
        if (size := trained.get(report.get("adapter_fingerprint"))) and (score := _score(report)) is not None:
            asked[report["questions"].get("sha256", "")].append(CurvePoint(size, score))
    best = max(asked.values(), key=_sizes, default=[])
    if _sizes(best) > 1:
        return best
    readers = [adapter for adapter in adapters if adapter.kind == READER]
    scores = [(sizes[reader.dataset_id], (reader.manifest.get("validation") or {}).get("span_f1")) for reader in readers]
    return [CurvePoint(size, score) for size, score in scores if score is not None]


def _rounds(workspace: Workspace, dataset: Dataset) -> list[CurvePoint]:
    from doyen.finetune.supervision.rounds import read_rounds

    project = (dataset.manifest.get("origin") or {}).get("project")
    rounds = read_rounds(workspace.supervision_folder / project) if project else []
    return [CurvePoint(point["labels"], point["score"]) for point in rounds[-1]["curve"]] if rounds else []


def _sizes(points: list[CurvePoint]) -> int:
    return len({point.examples for point in points})


def _figures(folder: Path) -> dict[str, Any]:
    try:
        return read_figures(folder)
    except DoyenError:
        return {}


def _score(report: dict[str, Any]) -> float | None:
    mode = next((mode for mode in SCORED if mode in report.get("modes", {})), None)
    figure = report["modes"][mode]["metrics"].get("token_f1") if mode else None
    return figure["mean"] if figure else None
