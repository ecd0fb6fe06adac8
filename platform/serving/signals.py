"""Numbers that tell whether a question can be answered from the passages: inputs of the abstention model.

None of them knows the language model, the domain or the wording of the refusal's training; all are comparable between
questions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from doyen.core.refusals import is_refusal
from doyen.retrieval.citations import cite, support
from doyen.retrieval.passage import Passage

Features = dict[str, float]

_WORD = re.compile(r"\w+")
_STEM = 5
"""Letters that stand for a word: enough to join "replaced" and "replacement"."""
_SHORTEST = 3
"""Shorter words are mostly grammar; numbers count at any length."""


@dataclass(frozen=True)
class Observation:
    """What the abstention model is fitted on: one generated answer, judged by nobody.

    Attributes:
        refused: whether the model itself said that the documents hold no answer.
        before: features known before generating.
        after: features known after it.
    """

    passages: list[Passage]
    answer: str
    refused: bool
    before: Features
    after: Features


def before_features(query: str, passages: Sequence[Passage], refusal_logprob: float | None) -> Features:
    """Return what is known before anything is generated.

    Args:
        query: what was retrieved for.
        passages: best first, at least one.
        refusal_logprob: mean log-probability per token of the refusal's opening after the prompt, where the engine can tell.
    """
    terms = _terms(query)
    features = {
        "coverage_best": max(_share(terms, _found([passage])) for passage in passages),
        "coverage_all": _share(terms, _found(passages)),
    }
    for name in sorted({name for passage in passages for name in passage.signals}):
        values = [passage.signals[name] for passage in passages if name in passage.signals]
        if name.endswith("_rank"):
            # Small ranks are good ones, and the step from 1 to 2 says more than that from 21 to 22.
            values = [-math.log(max(value, 1.0)) for value in values]
        features[f"{name}_best"] = max(values)
        features[f"{name}_spread"] = max(values) - fmean(values)
    if refusal_logprob is not None:
        features["refusal_logprob"] = refusal_logprob
    return features


def after_features(
    before: Features, question: str, answer: str, logprobs: Sequence[float], passages: Sequence[Passage]
) -> Features:
    """Return what is known once the answer is there, the earlier features included.

    A refusal has no evidence to look at: then only that it is one is added.

    Args:
        logprobs: of the generated tokens; empty where the engine cannot tell.
    """
    if is_refusal(answer):
        return {**before, "refused": 1.0}
    asked = _terms(question)
    features = {
        **before,
        "refused": 0.0,
        "support": support(answer, passages),
        "answer_coverage": _share(_terms(answer) - asked, _found(passages)),
        "asked_in_evidence": _share(asked, _terms(_evidence(answer, passages))),
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


def _found(passages: Sequence[Passage]) -> set[str]:
    return set().union(*(_terms(f"{passage.heading} {passage.text}") for passage in passages))


def _evidence(answer: str, passages: Sequence[Passage]) -> str:
    """Return the sentences that the answer rests on, with the headings above them.

    An answer copied from a sentence that speaks of something else than the question is a wrong one.
    """
    citations = cite(answer, passages)
    return " ".join(f"{passages[citation.marker - 1].heading} {citation.quote}" for citation in citations)


def _share(terms: set[str], found: set[str]) -> float:
    """Share of the terms that were found; 1 when there are none to look for."""
    return len(terms & found) / len(terms) if terms else 1.0
