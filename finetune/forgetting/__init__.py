"""What a training makes a model forget: how it is measured and told, and the remedies replay and EWC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from doyen.finetune.registry import Adapter

FORGETTING = "forgetting"
"""Key of a manifest: what the probe found before and after the training."""


def forgetting_change(adapter: Adapter) -> dict[str, Any] | None:
    """Return how general answers changed by an adapter's training: delta, low, high, p, n; None where it was not probed."""
    entry = adapter.manifest.get(FORGETTING)
    return dict(entry["change"]["answers"]) if entry else None


def describe_forgetting(entry: Mapping[str, Any]) -> str:
    """Return what a manifest says of forgetting as a sentence."""
    answers, before, after = entry["change"]["answers"], entry["before"], entry["after"]
    interval = "" if answers["low"] is None else f" ({answers['low']:+.3f} to {answers['high']:+.3f})"
    return (
        f"general answers {before['answers']:.3f} before and {after['answers']:.3f} after the training, "
        f"{answers['delta']:+.3f}{interval}; "
        f"perplexity of general texts {before['perplexity']:.1f} and {after['perplexity']:.1f}"
    )
