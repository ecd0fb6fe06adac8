"""What long work takes, told before it starts and compared with what happened: tokens, time, memory and money."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doyen.core.files import write_json_atomic

if TYPE_CHECKING:
    from doyen.core.settings import CostSettings

FILE = "estimate.json"
"""Where an estimate waits in the folder of the work that it is about."""
COST = "cost"
"""Key of a manifest that holds estimate, what happened, and the error."""
_ERRORS = ("seconds", "memory_mb", "prompt_tokens", "completion_tokens", "money")


@dataclass(frozen=True)
class Spent:
    """What some work takes, or took.

    Attributes:
        units: pieces of it: training steps, texts, answers.
        seconds: on this machine.
        memory_mb: the most that was held at once, in MB of 2**20 bytes; None: not known.
        prompt_tokens: read by a model, or trained on.
        completion_tokens: written by a model.
        money: what it costs by the price table.
    """

    units: int
    seconds: float
    memory_mb: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    money: float = 0.0


@dataclass(frozen=True)
class Estimate:
    """What work will take.

    Attributes:
        work: what it is about, as a person reads it.
        unit: what ``units`` counts, in the plural.
        probe: what was measured for it.
    """

    work: str
    unit: str
    expected: Spent
    probe: str
    currency: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Estimate:
        """Return what ``to_json`` gave."""
        return cls(**{**data, "expected": Spent(**data["expected"])})

    def describe(self) -> str:
        """Return it as a sentence."""
        told = [f"{self.expected.units:,} {self.unit}", *_tokens(self.expected), f"about {duration(self.expected.seconds)}"]
        if self.expected.memory_mb is not None:
            told.append(f"at most {self.expected.memory_mb / 1024:.1f} GB of memory")
        if self.expected.money:
            told.append(f"{self.expected.money:.2f} {self.currency}".rstrip())
        return f"{self.work}: {', '.join(told)} ({self.probe})"


def price(settings: CostSettings, model: str, prompt_tokens: float, completion_tokens: float, seconds: float) -> float:
    """Return what a model's work costs by the price table, the machine's own time included."""
    prices = next((each for each in settings.prices if each.model == model), None)
    money = settings.machine_hour * seconds / 3600
    if prices is None:
        return money
    by_tokens = prices.prompt_1000 * prompt_tokens / 1000 + prices.completion_1000 * completion_tokens / 1000
    return money + by_tokens + prices.hour * seconds / 3600


def save_estimate(folder: Path, estimate: Estimate) -> None:
    """Let an estimate wait in the folder of its work."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json_atomic(folder / FILE, estimate.to_json())


def load_estimate(folder: Path) -> Estimate | None:
    """Return the estimate that waits there; None where there is none, or another version wrote it."""
    try:
        return Estimate.from_json(json.loads((folder / FILE).read_text(encoding="utf-8")))
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        return None


def compare(estimate: Estimate, happened: Spent) -> dict[str, Any]:
    """Return estimate, what happened, and the relative error of each figure, for a manifest.

    ``error`` is 0.1 where 10% more was expected than happened. It is None where other work was done than was estimated: a run
    that went on from where it had been stopped.
    """
    same = estimate.expected.units == happened.units
    error = {
        name: round(expected / real - 1, 4)
        for name in _ERRORS
        if (expected := getattr(estimate.expected, name)) is not None and (real := getattr(happened, name))
    }
    return {"estimate": estimate.to_json(), "happened": asdict(happened), "error": error if same else None}


def describe_comparison(cost: dict[str, Any]) -> str:
    """Return what ``compare`` gave as a sentence."""
    happened, expected = Spent(**cost["happened"]), Spent(**cost["estimate"]["expected"])
    told = f"It took {duration(happened.seconds)}, {duration(expected.seconds)} were expected"
    if cost["error"] is None:
        return f"{told} for more than was left to do."
    memory = ""
    if happened.memory_mb and expected.memory_mb:
        memory = f"; {happened.memory_mb / 1024:.1f} GB of memory, {expected.memory_mb / 1024:.1f} were"
    return f"{told} ({cost['error'].get('seconds', 0):+.0%}){memory}."


def duration(seconds: float) -> str:
    """Return a length of time as a person says it."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _tokens(spent: Spent) -> list[str]:
    told = [(spent.prompt_tokens, "tokens to read"), (spent.completion_tokens, "to write")]
    return [f"{number:,} {what}" for number, what in told if number]
