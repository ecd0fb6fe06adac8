"""After training: how a reader's scores order passages, and how probable an answer is, fitted to pairs that it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from doyen.core.answers import Passage
from doyen.core.text import token_f1
from doyen.retrieval.reading.calibration import Calibration, Ranking, fit_calibration, fit_regression
from doyen.retrieval.reading.findings import Finding, find_spans, observe, rank
from doyen.retrieval.reading.reader import Reader, Reading
from doyen.retrieval.reading.span_evidence import SpanEvidence

PLACE_WEIGHTS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5)
SPAN_WEIGHTS = (0.0, 0.25, 0.5, 1.0)
FEWEST = 20
"""Questions of each kind, with and without an answer, or with a right and a wrong span, below which nothing is fitted."""
RIGHT = 0.5
"""Token F1 with a reference answer from which a span counts as right."""


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

    @property
    def is_answered(self) -> bool:
        """Whether a passage answers the question."""
        return bool(self.case.answers) and any(self.case.golds)


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
    answered = [item for item in read if item.is_answered]
    if len(answered) < FEWEST:
        return default
    choices = [default, *(Ranking(place, span) for place, span in product(PLACE_WEIGHTS, SPAN_WEIGHTS))]
    best = max(choices, key=lambda ranking: sum(span_f1(item, ranking) for item in answered))
    before = [_recall(item, range(len(item.readings)), shown) for item in answered]
    after = [_recall(item, rank(item.readings, best), shown) for item in answered]
    gains = [sum(each[part] for each in after) - sum(each[part] for each in before) for part in (0, 1)]
    return Ranking(best.place_weight, best.span_weight, reranks=gains[0] > 0 and gains[1] >= 0)


def fit_probability(read: Sequence[ReadCase], default: Calibration) -> Calibration:
    """Return a calibration fitted to the cases; the default where one kind is too rare."""
    answered = [item.is_answered for item in read]
    if min(sum(answered), len(answered) - sum(answered)) < FEWEST:
        return default
    seen = [observe(item.case.question, item.case.passages, item.readings) for item in read]
    return fit_calibration(seen, answered)


def fit_span_probability(read: Sequence[ReadCase], ranking: Ranking, default: Calibration | None) -> Calibration | None:
    """Return a calibration of how probable it is that the best span is right; the default where one kind is too rare."""
    found = [(item, spans) for item in read if (spans := _spans(item, ranking))]
    right = [_f1(spans[0], item) >= RIGHT for item, spans in found]
    if min(sum(right), len(right) - sum(right)) < FEWEST:
        return default
    seen = [SpanEvidence(item.case.question, item.case.passages, spans).observe(spans[0]) for item, spans in found]
    return fit_regression(seen, right, [item.is_answered for item, _ in found])


def span_f1(item: ReadCase, ranking: Ranking) -> float:
    """Return the token F1 of the best span, 0 to 1."""
    spans = _spans(item, ranking)
    return _f1(spans[0], item) if spans else 0.0


def _spans(item: ReadCase, ranking: Ranking) -> list[Finding]:
    return find_spans(item.case.question, item.case.passages, item.readings, ranking)


def _f1(span: Finding, item: ReadCase) -> float:
    return max((token_f1(span.text, answer) for answer in item.case.answers), default=0.0)


def _recall(item: ReadCase, order: Sequence[int], shown: int) -> tuple[bool, bool]:
    """Return whether the first passage, and the first ``shown``, hold the evidence."""
    golds = [item.case.golds[place] for place in order]
    return golds[0], any(golds[:shown])
