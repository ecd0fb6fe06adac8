"""The probe before and after a training, and what an adapter's manifest says of the two."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doyen.core.files import sha256_file
from doyen.core.models import GeneratorFiles, number_format
from doyen.core.progress import Reporter
from doyen.finetune.forgetting.forgetting_probe import ProbeScores, changes, keep_scores, kept_scores, probe_model
from doyen.finetune.registry import WEIGHTS


@dataclass(frozen=True)
class Before:
    """How a model did before a training.

    Attributes:
        base: the base model.
        start: with the adapter that training goes on from; None for a fresh one, which changes nothing.
    """

    base: ProbeScores
    start: ProbeScores | None


def probe_before(
    model: Any, tokenizer: Any, base: GeneratorFiles, start: Path | None, dtype: str, reporter: Reporter
) -> Before:
    """Probe a model with its adapter as it is before the training; what this machine has probed before is not repeated.

    Args:
        model: the base with the adapter, of which nothing was trained yet.
        start: PEFT folder of the adapter that training goes on from.
        dtype: the setting ``finetune.dtype``.
    """
    identity = [base.sha256, number_format(dtype)]

    def scores(more: list[str], without_adapter: bool) -> ProbeScores:
        found = kept_scores([*identity, *more])
        if found is None:
            reporter.say("probing what the model knows before the training")
            if without_adapter:
                with model.disable_adapter():
                    found = probe_model(model, tokenizer)
            else:
                found = probe_model(model, tokenizer)
            keep_scores([*identity, *more], found)
        return found

    return Before(scores([], True), scores([sha256_file(start / WEIGHTS)], False) if start else None)


def forgetting_of(before: Before, after: ProbeScores) -> dict[str, Any]:
    """Return the manifest's entry: means before and after the training and the changes, also since the base model."""
    start = before.start or before.base
    entry = {"before": start.means(), "after": after.means(), "change": changes(start, after)}
    if before.start:
        entry |= {"base": before.base.means(), "since_base": changes(before.base, after)}
    return entry
