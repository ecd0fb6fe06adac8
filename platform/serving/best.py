"""What ``best`` means as a mode: the mode that the newest report of this workspace measured best."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doyen.core.errors import NotFoundError
from doyen.core.modes import ADAPTER_MODES, MODES, Mode
from doyen.finetune.registry import Adapter, Registry

logger = logging.getLogger("doyen.best")

KEY_METRICS = ("key_facts", "token_f1")
"""The first one that a report has decides."""
FALLBACK: Mode = "rag"
"""Needs no adapter, and quotes what it rests on."""


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


def find_best(reports: Path, registry: Registry, fits: Callable[[Adapter], bool]) -> Best:
    """Return the best mode of the newest report that can be served now; without any, ``rag``.

    The highest mean of the key metric wins; of equal ones the mode that uses less. Modes whose adapter is gone or does not
    fit are passed over.

    Args:
        reports: the workspace's folder of reports.
        registry: of the workspace.
        fits: whether the engine can serve an adapter.
    """
    for name, report in _newest_first(reports):
        metric, means = _means(report)
        adapter = _usable(registry, report.get("adapter"), fits)
        served: dict[Mode, float] = {mode: means[mode] for mode in MODES if mode in means}
        if adapter is None:
            served = {mode: mean for mode, mean in served.items() if mode not in ADAPTER_MODES}
        if served:
            mode = max(served, key=lambda mode: served[mode])
            reason = f"best by report {name!r}: {metric} {served[mode]:.3f}"
            if missing := sorted(set(means) - set(served)):
                reason += f"; {', '.join(missing)} cannot be served now"
            return Best(mode, adapter if mode in ADAPTER_MODES else None, reason)
        break
    return Best(FALLBACK, None, f"no report says which mode is best, so {FALLBACK}: run `doyen eval run`")


def _newest_first(reports: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    found = []
    for path in reports.glob("*/report.json") if reports.is_dir() else []:
        if path.parent.name.startswith("."):
            continue
        try:
            report = json.loads(path.read_text(encoding="utf-8"))
            found.append((str(report["manifest"]["created_at"]), path.parent.name, report))
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("the report %s cannot be read and does not count for the best mode: %s", path, error)
    for _, name, report in sorted(found, key=lambda item: item[:2], reverse=True):
        yield name, report


def _means(report: dict[str, Any]) -> tuple[str, dict[str, float]]:
    """Return the key metric of a report and its mean in each mode; empty where the report has neither metric."""
    modes = report.get("modes")
    for metric in KEY_METRICS:
        means = {}
        for mode, part in modes.items() if isinstance(modes, dict) else []:
            mean = (part.get("metrics", {}).get(metric) or {}).get("mean") if isinstance(part, dict) else None
            if isinstance(mean, int | float) and mean == mean:
                means[mode] = float(mean)
        if means:
            return metric, means
    return "", {}


def _usable(registry: Registry, reference: object, fits: Callable[[Adapter], bool]) -> str | None:
    """Return the reference of a report's adapter if it is still there and fits."""
    if not isinstance(reference, str):
        return None
    try:
        adapter = registry.get(reference)
    except NotFoundError:
        return None
    whole = (adapter.folder / "adapter_model.safetensors").is_file()
    return adapter.ref if whole and fits(adapter) else None
