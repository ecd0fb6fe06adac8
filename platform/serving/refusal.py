"""When to say "The documents do not say.": a small fitted model and its decision rule.

Two logistic regressions, one over what is known before generating and one over what is known after it. The first sorts
questions into three zones: refuse at once, answer at once (the answer is streamed as it comes), and doubtful, where the
answer is held back until the second has judged it. So most answers stream at full speed, and only doubtful ones wait.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from doyen.core.files import write_json_atomic

logger = logging.getLogger("doyen.abstention")

Verdict = Literal["refuse", "answer", "doubtful"]


class Head(BaseModel):
    """A logistic regression over standardised features; a feature that is missing counts as average.

    Attributes:
        features: names, in the order of the other lists.
        means: of the features in the fitting data.
        scales: standard deviations, or 1 where a feature never varied.
        weights: of the standardised features.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    features: list[str]
    means: list[float]
    scales: list[float]
    weights: list[float]
    bias: float

    def probability(self, features: Mapping[str, float]) -> float:
        """Return the estimated probability that the question is answerable."""
        logit = self.bias
        for name, mean, scale, weight in zip(self.features, self.means, self.scales, self.weights, strict=True):
            logit += weight * (features.get(name, mean) - mean) / scale
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, logit))))


class AbstentionModel(BaseModel):
    """The fitted rule.

    Attributes:
        model: base model that it was fitted with; it is not used with another.
        refuse_below: probability by ``before`` under which no answer is generated.
        trust_from: probability by ``before`` from which an answer is streamed without waiting.
        threshold: probability by ``after`` under which a doubtful answer becomes a refusal.
        manifest: what it was fitted on, and the refusal rates seen there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: str
    model: str
    before: Head
    after: Head
    refuse_below: float
    trust_from: float
    threshold: float
    manifest: dict[str, Any]

    def first_look(self, features: Mapping[str, float]) -> Verdict:
        """Judge by what is known before generating."""
        probability = self.before.probability(features)
        if probability < self.refuse_below:
            return "refuse"
        return "answer" if probability >= self.trust_from else "doubtful"

    def accepts(self, features: Mapping[str, float]) -> bool:
        """Judge a doubtful answer by what is known after generating it."""
        return self.after.probability(features) >= self.threshold


def save_abstention(path: Path, model: AbstentionModel) -> None:
    """Write the model as JSON in one step."""
    write_json_atomic(path, model.model_dump())


def load_abstention(path: Path, base_model: str) -> AbstentionModel | None:
    """Return the model stored at ``path``, or None when there is none or it was fitted with another base model."""
    if not path.is_file():
        return None
    try:
        model = AbstentionModel.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, ValidationError) as error:
        logger.warning("the abstention model %s is damaged and not used, fit it again: %s", path, error)
        return None
    if model.model != base_model:
        logger.warning("the abstention model %s was fitted with %s, not %s: it is not used", path, model.model, base_model)
        return None
    return model
