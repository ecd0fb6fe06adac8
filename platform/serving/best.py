"""What ``best`` means as a mode: the one that this workspace's reports measured best, on questions enough to tell."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from doyen.core.access import Access
from doyen.core.errors import NotFoundError, StorageError
from doyen.core.modes import ADAPTER_MODES, MODES, PASSAGE_MODES, Mode
from doyen.core.report_files import ALPHA, ENOUGH, read_figures, report_folders
from doyen.finetune.registry import Adapter, Registry

logger = logging.getLogger("doyen.best")

KEY_METRICS = ("key_facts", "token_f1")
"""The first one that a report measured on enough questions decides."""
FALLBACK = Mode.EXTRACT
"""Needs no adapter, and says only what stands in the documents; ``rag`` takes its place where nothing is read."""
BASELINE = Mode.RAG
"""What a mode that quotes nothing has to beat."""

UNTOLD = "the best mode that can be served now"
"""The reason for callers who see no reports."""


@dataclass(frozen=True)
class Best:
    """A resolved mode.

    Attributes:
        adapter: "name:version" that the report measured it with; None for modes without one.
        reason: one sentence for people.
    """

    mode: Mode
    adapter: str | None
    reason: str


def find_best(reports: Path, registry: Registry, fits: Callable[[Adapter], bool], *, reads: bool = True) -> Best:
    """Return the best mode that can be served now, by the newest report that can tell; without any, ``extract`` or ``rag``.

    A report can tell when it measured a mode with passages that can be served on `ENOUGH` questions. The highest mean of
    the key metric wins, then that of token F1, then passages, then the mode that uses less. A mode without passages, which
    quotes nothing, is taken only where it surely beats ``rag``.

    Args:
        reports: the workspace's folder of reports.
        registry: of the workspace.
        fits: whether the engine can serve an adapter.
        reads: whether there is a reader, which mode ``extract`` needs.
    """
    fallback = FALLBACK if reads else BASELINE
    for name, report in _newest_first(reports):
        if best := _best_of(name, report, _usable(registry, report, fits), reads=reads):
            return best
    why = f"no report measured a mode with passages on {ENOUGH} questions"
    return Best(fallback, None, f"{why}, so {fallback}: run `doyen eval run`")


def as_told(best: Best, access: Access) -> Best:
    """Return what a caller is told: names and figures of reports, and what else they measured, only who reads everything."""
    return best if access.unrestricted else replace(best, reason=UNTOLD)


def _newest_first(reports: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    found = []
    for name, folder in report_folders(reports).items():
        try:
            report = read_figures(folder)
        except (NotFoundError, StorageError) as error:
            logger.warning("a report does not count for the best mode: %s", error)
        else:
            found.append((report["manifest"]["created_at"], name, report))
    for _, name, report in sorted(found, key=lambda item: item[:2], reverse=True):
        yield name, report


def _best_of(name: str, report: dict[str, Any], adapter: str | None, *, reads: bool) -> Best | None:
    """Return the best mode of one report, or None where it cannot tell.

    Args:
        adapter: the report's, where it can be served.
        reads: as in `find_best`.
    """
    missing_modes = (ADAPTER_MODES if adapter is None else frozenset()) | (frozenset() if reads else {Mode.EXTRACT})
    figures: dict[Mode, dict[str, Any]] = {mode: report["modes"][mode]["metrics"] for mode in MODES if mode in report["modes"]}
    for metric in KEY_METRICS:
        measured = [mode for mode in figures if _measured(figures[mode].get(metric))]
        served = [mode for mode in measured if mode not in missing_modes]
        chosen = [mode for mode in served if mode in PASSAGE_MODES or _surely_beats(report, mode, BASELINE, metric)]
        if PASSAGE_MODES.isdisjoint(chosen):
            continue
        mode = max(chosen, key=lambda mode: (*_means(figures[mode], metric), mode in PASSAGE_MODES))
        reason = f"best by report {name!r}: {metric} {figures[mode][metric]['mean']:.3f}"
        if missing := sorted(set(measured) - set(served)):
            reason += f"; {', '.join(missing)} cannot be served now"
        return Best(mode, adapter if mode in ADAPTER_MODES else None, reason)
    return None


def _measured(figure: dict[str, Any] | None) -> bool:
    return figure is not None and figure["mean"] is not None and figure.get("n", 0) >= ENOUGH


def _means(metrics: dict[str, Any], metric: str) -> tuple[float, float]:
    """Return the mean that decides, and the one that decides between equal ones."""
    return metrics[metric]["mean"], metrics.get(KEY_METRICS[-1], {}).get("mean") or 0.0


def _surely_beats(report: dict[str, Any], mode: Mode, other: Mode, metric: str) -> bool:
    for item in report.get("comparisons", []):
        if item["metric"] == metric and {item["a"], item["b"]} == {mode, other} and None not in (item["p"], item["delta"]):
            gain = item["delta"] if item["a"] == mode else -item["delta"]
            return bool(gain > 0 and item["p"] < ALPHA and item["n"] >= ENOUGH)
    return False


def _usable(registry: Registry, report: dict[str, Any], fits: Callable[[Adapter], bool]) -> str | None:
    """Return the reference of a report's adapter if that training is still there and fits."""
    reference = report.get("adapter")
    if reference is None:
        return None
    try:
        adapter = registry.get(reference)
    except NotFoundError:
        return None
    same = report.get("adapter_fingerprint") == adapter.manifest.get("fingerprint")
    return adapter.ref if adapter.has_weights and same and fits(adapter) else None
