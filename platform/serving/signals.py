"""Numbers that tell whether a question can be answered from the passages: inputs of the abstention model.

None of them knows the language model, the domain or the wording of the refusal's training; all are comparable between
questions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import fmean

from doyen.retrieval.citations import support
from doyen.retrieval.passage import Passage

Features = dict[str, float]

_WORD = re.compile(r"\w+")
_STEM = 5
"""Letters that stand for a word: enough to join "replaced" and "replacement"."""
_SHORTEST = 3
"""Shorter words are mostly grammar; numbers count at any length."""


def before_features(query: str, passages: Sequence[Passage], refusal_logprob: float | None) -> Features:
    """Return what is known before anything is generated.

    Args:
        query: what was retrieved for.
        passages: best first, at least one.
        refusal_logprob: mean log-probability per token of the refusal's opening after the prompt, where the engine can tell.
    """
    terms = _terms(query)
    features = {
        "coverage_best": max(_covered(terms, [passage]) for passage in passages),
        "coverage_all": _covered(terms, passages),
    }
    for name in sorted({name for passage in passages for name in passage.signals}):
        values = [passage.signals[name] for passage in passages if name in passage.signals]
        features[f"{name}_best"] = max(values)
        features[f"{name}_spread"] = max(values) - fmean(values)
    if refusal_logprob is not None:
        features["refusal_logprob"] = refusal_logprob
    return features


def after_features(
    before: Features, question: str, answer: str, logprobs: Sequence[float], passages: Sequence[Passage]
) -> Features:
    """Return what is known once the answer is there, the earlier features included.

    Args:
        logprobs: of the generated tokens; empty where the engine cannot tell.
    """
    fresh = _terms(answer) - _terms(question)
    features = {
        **before,
        "support": support(answer, passages),
        "answer_coverage": _covered(fresh, passages),
    }
    if logprobs:
        features["answer_logprob"] = fmean(logprobs)
        features["weakest_token"] = min(logprobs)
        if "refusal_logprob" in before:
            features["refusal_margin"] = before["refusal_logprob"] - features["answer_logprob"]
    return features


def _terms(text: str) -> set[str]:
    words = _WORD.findall(text.lower())
    return {word[:_STEM] for word in words if len(word) >= _SHORTEST or any(letter.isdigit() for letter in word)}


def _covered(terms: set[str], passages: Sequence[Passage]) -> float:
    """Share of the terms that occur in the passages; 1 when there are none to look for."""
    found = set().union(*(_terms(f"{passage.heading} {passage.text}") for passage in passages))
    return len(terms & found) / len(terms) if terms else 1.0
