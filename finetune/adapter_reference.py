"""What an adapter makes of a few prompts, kept beside its weights: who loads or converts it can see whether it still acts so.

The effect of an adapter on a next token is the difference of its log-probability with and without the adapter. An engine
that rounds its weights gives other log-probabilities, but nearly the same differences:

    correct, at 8 bits                differs by 0.04 to 0.05 of the effect
    query and key rows in wrong order            0.12
    at 1.3 times its strength                    0.29     (the general reading adapter on SmolLM2-135M)
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from doyen.core.files import write_json_atomic
from doyen.core.prompts import encode_prompt

REFERENCE = "reference.json"
"""File in an adapter's folder."""
TOP = 16
"""Likeliest next tokens that are kept, of the model with and without the adapter."""
FEWEST = 8
"""Tokens whose effect must be known to judge by it."""
ROUNDING = 0.15
"""Root mean square, in nats, by which an engine's effects may be off by rounding alone."""
SHARE = 0.075
"""So much of the effect itself may they be off beside."""
NOTHING = 1e-4
"""An adapter that changes log-probabilities by less does nothing."""

_SYSTEM = {"role": "system", "content": "Answer briefly."}
_PASSAGES = """[1] tanks.md

The Kite tank holds 380 litres and is flushed every 30 days. The Heron tank holds 95 litres and is flushed every 6 days.

[2] keys.md

Spare keys are lent for 14 days by the front desk. Badges are lent for one day by the porter.

"""
# Long enough that a wrong order of the rows of queries and keys shows.
_ASKED = (
    f"{_PASSAGES}Question: How often is the Heron tank flushed?",
    f"{_PASSAGES}Question: Who lends badges, and for how long?",
)


@dataclass(frozen=True)
class ReferencePoint:
    """The next tokens after a prompt.

    Attributes:
        prompt: token ids.
        tokens: ids of likely next tokens; empty where no reference is known.
        base: natural log-probability of each without the adapter.
        adapted: and with it.
    """

    prompt: list[int]
    tokens: list[int]
    base: list[float]
    adapted: list[float]


@dataclass(frozen=True)
class Effect:
    """How an adapter acts somewhere, beside how it should. Root mean squares over next tokens, in nats.

    Attributes:
        n: tokens that were compared.
        observed: the effect there.
        expected: the effect in the reference; None where there is none.
        difference: between the two.
    """

    n: int
    observed: float
    expected: float | None = None
    difference: float = 0.0

    @property
    def allowed(self) -> float:
        """The largest difference that may be rounding."""
        return math.hypot(ROUNDING, SHARE * (self.expected or 0.0))

    @property
    def problem(self) -> str | None:
        """Why the adapter does not act as it should; None when it does."""
        if self.observed < NOTHING:
            return "it changes nothing"
        if self.expected is not None and self.n >= FEWEST and self.difference > self.allowed:
            return (
                f"it changes log-probabilities by {self.observed:.2f} on average where it did by {self.expected:.2f} after "
                f"training, and differs from that by {self.difference:.2f} where rounding explains {self.allowed:.2f}"
            )
        return None


def probe_prompts(tokenizer: Any) -> list[list[int]]:
    """Return the token ids of the prompts of a probe, about 110 each."""
    return [encode_prompt(tokenizer, [_SYSTEM, {"role": "user", "content": text}]) for text in _ASKED]


def measure_reference(model: Any, tokenizer: Any) -> list[ReferencePoint]:
    """Return what a PEFT model makes of the prompts with its adapter and without; the model is in evaluation mode then."""
    model.eval()
    points = []
    for prompt in probe_prompts(tokenizer):
        adapted = next_logprobs(model, prompt)
        with model.disable_adapter():
            base = next_logprobs(model, prompt)
        tokens = sorted({*adapted.topk(TOP).indices.tolist(), *base.topk(TOP).indices.tolist()})
        points.append(ReferencePoint(prompt, tokens, *([round(float(part[i]), 4) for i in tokens] for part in (base, adapted))))
    return points


def next_logprobs(model: Any, prompt: Sequence[int]) -> Any:
    """Return the log-probabilities of all next tokens, a float32 tensor of shape ``(vocabulary,)``."""
    import torch

    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([list(prompt)], device=model.device)).logits
    return logits[0, -1].float().cpu().log_softmax(dim=-1)


def write_reference(folder: Path, points: Sequence[ReferencePoint]) -> None:
    """Keep a reference in an adapter's folder."""
    write_json_atomic(folder / REFERENCE, {"points": [asdict(point) for point in points]})


def read_reference(folder: Path) -> list[ReferencePoint] | None:
    """Return the reference in an adapter's folder; None for one of an earlier version, or from elsewhere."""
    try:
        data = json.loads((folder / REFERENCE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return [ReferencePoint(**point) for point in data["points"]]


def effect_of(
    points: Sequence[ReferencePoint], base: Sequence[Mapping[int, float]], adapted: Sequence[Mapping[int, float]]
) -> Effect:
    """Return how an adapter acts, from log-probabilities by token id, without and with it, after each point's prompt.

    Tokens that one of the two does not tell are passed over.
    """
    observed, expected = [], []
    for point, without, beside in zip(points, base, adapted, strict=True):
        known = dict(zip(point.tokens, zip(point.base, point.adapted, strict=True), strict=True))
        for token in known or without:
            if token in without and token in beside:
                observed.append(beside[token] - without[token])
                if token in known:
                    expected.append(known[token][1] - known[token][0])
    if not expected:
        return Effect(len(observed), _rms(observed))
    return Effect(len(observed), _rms(observed), _rms(expected), _rms([a - b for a, b in zip(observed, expected, strict=True)]))


def _rms(values: Sequence[float]) -> float:
    return math.sqrt(sum(value * value for value in values) / len(values)) if values else 0.0
