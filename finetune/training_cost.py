"""What a training takes: the figures of an estimate, and of what happened, in one form for all that is trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from doyen.core.costs import COST, Estimate, Spent, compare, load_estimate, price
from doyen.core.errors import InputError
from doyen.core.memory import peak_memory_mb
from doyen.core.settings import CostSettings
from doyen.finetune.registry import Adapter


def training_takes(model: str, steps: int, tokens: int, seconds: float, costs: CostSettings) -> Spent:
    """Return what a whole training takes that takes so long, with the memory that this process has held so far.

    Args:
        model: the name of what is trained, as prices name it.
    """
    money = price(costs, model, tokens, 0, seconds)
    return Spent(steps, round(seconds, 2), round(peak_memory_mb()), prompt_tokens=tokens, money=round(money, 4))


def training_estimate(name: str, expected: Spent, tried: str, costs: CostSettings) -> Estimate:
    """Return the estimate of a training by a trial.

    Args:
        tried: what was trained on for it: "6 rows".
    """
    return Estimate(f"training {name}", "steps", expected, f"by {tried}, trained on for a trial", costs.currency)


def compared(run: Path, happened: Spent, done_before: int) -> dict[str, Any]:
    """Return the manifest's entry that compares a training with the estimate that waits in its folder; nothing without one.

    Args:
        happened: what the whole training takes.
        done_before: steps that an earlier start had done already.
    """
    estimate = load_estimate(run)
    return {COST: compare(estimate, replace(happened, units=happened.units - done_before))} if estimate else {}


def already_trained(adapter: Adapter) -> InputError:
    """Return the error of estimating a training that was done."""
    return InputError(f"{adapter.ref} was already trained on this: training it again takes nothing")
