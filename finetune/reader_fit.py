"""After training: how a reader's scores order passages, and how probable an answer is, fitted to pairs that it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from doyen.core.answers import Passage
from doyen.finetune.similarity import token_f1
from doyen.retrieval.reading.calibration import Calibration, Ranking, fit_calibration
from doyen.retrieval.reading.findings import best_score, observe
from doyen.retrieval.reading.reader import Reader, Reading

PLACE_WEIGHTS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5)
SPAN_WEIGHTS = (0.0, 0.25, 0.5, 1.0)
FEWEST = 20
"""Questions of each kind, with and without an answer, below which nothing is fitted."""


@dataclass(frozen=True)
class Case:
    """A question with its passages as retrieval ranks them, and what is known of them.

    Attributes:
        answers: reference answers; empty where the passages do not answer.
        golds: whether each passage holds the evidence.
    """

    question: str
    passages: Sequence[Passage]
    answers: Sequence[str]
    golds: Sequence[bool]


@dataclass(frozen=True)
class ReadCase:
    """A case with what the reader says."""

    case: Case
    readings: Sequence[Reading]


def read_cases(reader: Reader, cases: Sequence[Case]) -> list[ReadCase]:
    """Return the cases with what the reader finds in their passages."""
    read = [(case, reader.read(case.question, [passage.text for passage in case.passages], spans=3)) for case in cases]
    return [ReadCase(case, readings) for case, readings in read]


def fit_ranking(read: Sequence[ReadCase], shown: int, default: Ranking) -> Ranking:
    """Return the weights by which the best span is right most often, and whether to show passages in that order.

    They are shown so where the first ``shown`` then hold the evidence at least as often, and the first one more often.

    Args:
        default: taken where too few questions are answered, and where no other is better.
    """
    answered = [item for item in read if item.case.answers and any(item.case.golds)]
    if len(answered) < FEWEST:
        return default
    choices = [default, *(Ranking(place, span) for place, span in product(PLACE_WEIGHTS, SPAN_WEIGHTS))]
    best = max(choices, key=lambda ranking: sum(span_f1(item, ranking) for item in answered))
    before = [_recall(item, range(len(item.readings)), shown) for item in answered]
    after = [_recall(item, ranked(item, best), shown) for item in answered]
    gains = [sum(each[part] for each in after) - sum(each[part] for each in before) for part in (0, 1)]
    return Ranking(best.place_weight, best.span_weight, reranks=gains[0] > 0 and gains[1] >= 0)


def fit_probability(read: Sequence[ReadCase], default: Calibration) -> Calibration:
    """Return a calibration fitted to the cases; the default where one kind is too rare."""
    answered = [bool(item.case.answers) and any(item.case.golds) for item in read]
    if min(sum(answered), len(answered) - sum(answered)) < FEWEST:
        return default
    return fit_calibration([observe(item.case.question, item.case.passages, item.readings) for item in read], answered)


def ranked(item: ReadCase, ranking: Ranking) -> list[int]:
    """Return the places of the passages, best first."""
    scores = [ranking.score(each.answers, best_score(each), place) for place, each in enumerate(item.readings)]
    return sorted(range(len(scores)), key=lambda place: -scores[place])


def span_f1(item: ReadCase, ranking: Ranking) -> float:
    """Return the token F1 of the best span, 0 to 1."""
    place = ranked(item, ranking)[0]
    if not item.readings[place].spans:
        return 0.0
    span = item.readings[place].spans[0]
    text = item.case.passages[place].text[span.start : span.end]
    return max(token_f1(text, answer) for answer in item.case.answers)


def _recall(item: ReadCase, order: Sequence[int], shown: int) -> tuple[bool, bool]:
    """Return whether the first passage, and the first ``shown``, hold the evidence."""
    golds = [item.case.golds[place] for place in order]
    return golds[0], any(golds[:shown])
