"""What a question's passages say to it: the best span in its sentence, the passages in a better order, and how sure that is.

passages ─▶ Reader.read ─┬─▶ spans ─▶ Finding …     (mode extract, highlights)
                         ├─▶ order of the passages   (what the generator is shown)
                         └─▶ probability             (answer or refuse)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from doyen.core.answer_kinds import asked_value, contradicts
from doyen.core.answers import Passage
from doyen.retrieval.reading.calibration import Observation, Ranking
from doyen.retrieval.reading.span_evidence import SpanEvidence, stated_share
from doyen.retrieval.reading.table_cells import Cell, read_cells, strength, touches_table
from doyen.retrieval.units import split_sentences

if TYPE_CHECKING:
    from doyen.retrieval.reading.reader import Reader, Reading, Span

SPANS = 3
"""Possible answers that are kept of each passage."""
LEAST_AHEAD = 2.0
"""Logits by which a cell of a table has to answer more strongly than a sentence to take its place."""


@dataclass(frozen=True)
class Finding:
    """A possible answer, verbatim, in its sentence.

    Attributes:
        passage: that it stands in.
        start: of its first character in the passage's text.
        end: after its last character.
        sentence: start and end of its sentence in the passage's text; of several where it runs over their border.
        score: combined; comparable within one question.
        probability: that it answers the question; 0 where it is disputed (`SpanEvidence.is_disputed`), None where the reader
            cannot tell.
    """

    passage: Passage
    start: int
    end: int
    sentence: tuple[int, int]
    score: float
    probability: float | None = None

    @property
    def text(self) -> str:
        """The span."""
        return self.passage.text[self.start : self.end]


@dataclass(frozen=True)
class Findings:
    """What was read.

    Attributes:
        passages: all that were read, best first.
        spans: possible answers, best first.
        probability: that the passages answer the question; None where the scores that it is made of are not there, or are
            those of another embedder than it was fitted with.
    """

    passages: list[Passage]
    spans: list[Finding]
    probability: float | None


class PassageReader:
    """Reads a question's passages with a reader, and with the ranking and calibration that were fitted to it."""

    def __init__(self, reader: Reader, *, calibrated: bool = True, reranks: bool = True) -> None:
        """Take a reader.

        Args:
            calibrated: whether its probability was fitted with the index's embedder and retriever; without, nothing is said
                of it.
            reranks: whether the passages may be put in its order; it is not done where that was measured to be worse.
        """
        self._reader, self._ranking, self._calibration = reader, reader.config.ranking, reader.config.calibration
        self._calibrated, self._reranks = calibrated, reranks and self._ranking.reranks

    def find(self, question: str, passages: Sequence[Passage]) -> Findings:
        """Return what the passages say to the question.

        Args:
            question: complete in itself.
            passages: as the retriever ranks them.
        """
        readings = self._reader.read(question, [passage.text for passage in passages], spans=SPANS)
        order = rank(readings, self._ranking) if self._reranks else list(range(len(passages)))
        spans = find_spans(question, passages, readings, self._ranking)
        if (cell := self._cell(question, passages, readings, spans)) is not None:
            spans = [cell, *(span for span in spans if span.passage is not cell.passage or not _overlap(span, cell))]
            if self._reranks:
                order.sort(key=lambda place: passages[place] is not cell.passage)
        return Findings(
            [passages[place] for place in order],
            self._with_probability(question, passages, spans),
            self._probability(question, passages, readings),
        )

    def _cell(
        self, question: str, passages: Sequence[Passage], readings: Sequence[Reading], spans: Sequence[Finding]
    ) -> Finding | None:
        """Return the cell of a table that answers, if the best span is in a weaker one or in a far weaker sentence."""
        cells = read_cells(self._reader, question, passages) if spans else []
        if not cells:
            return None
        (cell, strong), first = cells[0], spans[0]
        if touches_table(first.passage.text, first.start, first.end):
            own = [each for other, each in cells if passages[other.place] is first.passage and _holds(other, first)]
            if own and own[0] >= strong:
                return None
            ahead = 0.0
        else:
            place = next(number for number, each in enumerate(passages) if each is first.passage)
            ahead = strong - strength(question, readings[place], first.passage.text[slice(*first.sentence)])
            if ahead <= LEAST_AHEAD:
                return None
        return Finding(passages[cell.place], cell.start, cell.end, cell.row, first.score + ahead)

    def _with_probability(self, question: str, passages: Sequence[Passage], spans: Sequence[Finding]) -> list[Finding]:
        calibration = self._reader.config.span_calibration
        if calibration is None:
            return list(spans)
        evidence = SpanEvidence(question, passages, spans)
        return [
            replace(
                span,
                probability=0.0 if evidence.is_disputed(span) else round(calibration.probability(evidence.observe(span)), 4),
            )
            for span in spans
        ]

    def _probability(self, question: str, passages: Sequence[Passage], readings: Sequence[Reading]) -> float | None:
        # Passages that were found by their words alone, or are given by a caller, have no cosine.
        if not self._calibrated or not any(passage.signals.get("dense") for passage in passages):
            return None
        return round(self._calibration.probability(observe(question, passages, readings)), 4)

    def threshold(self, risk: float) -> float:
        """Return the probability below which a question is refused; see `Calibration.threshold`."""
        return self._calibration.threshold(risk)


def rank(readings: Sequence[Reading], ranking: Ranking) -> list[int]:
    """Return the places of passages, best first, in the order of the reader and the retriever together."""
    scores = _scores(readings, ranking)
    return sorted(range(len(readings)), key=lambda place: -scores[place])


def find_spans(question: str, passages: Sequence[Passage], readings: Sequence[Reading], ranking: Ranking) -> list[Finding]:
    """Return the spans of all passages in their sentences, best first, without a probability.

    The best span of a passage has the passage's score. The others have less by what the reader gives them less: the ranking's
    weights are of passages beside each other, and one of 0 would make all spans of a passage alike.
    """
    found = [
        _finding(question, passage, span, score + span.score - best_score(reading))
        for passage, reading, score in zip(passages, readings, _scores(readings, ranking), strict=True)
        for span in reading.spans
    ]
    return sorted(found, key=lambda finding: -finding.score)


def _scores(readings: Sequence[Reading], ranking: Ranking) -> list[float]:
    return [ranking.score(item.answers, best_score(item), place) for place, item in enumerate(readings)]


def observe(question: str, passages: Sequence[Passage], readings: Sequence[Reading]) -> Observation:
    """Return what a calibration is fitted to and applied to; at least one passage is needed."""
    best = max(range(len(passages)), key=lambda place: readings[place].answers)
    return Observation(
        max(reading.answers for reading in readings),
        max(best_score(reading) for reading in readings),
        max(passage.signals.get("dense", 0.0) for passage in passages),
        max(passage.signals.get("lexical_share", 0.0) for passage in passages),
        stated_share(question, passages[best]),
    )


def _holds(cell: Cell, span: Finding) -> bool:
    """Whether a span of the same passage is no more than this cell: one over several cells is none of them."""
    return cell.start <= span.start and span.end <= cell.end


def _overlap(one: Finding | Cell, other: Finding) -> bool:
    """Whether two stretches of one passage overlap."""
    return one.start < other.end and other.start < one.end


def best_score(reading: Reading) -> float:
    """Return the score of a passage's best span."""
    return reading.spans[0].score if reading.spans else 0.0


def _finding(question: str, passage: Passage, span: Span, score: float) -> Finding:
    """Return a span in its sentence; one of another kind than was asked for gives way to the only value there of that kind.

    To "part no. of one window" the reader finds "38 mm" in the row that also states "QX-77-0310".
    """
    start, end = span.start, span.end
    touched = [place for place in split_sentences(passage.text) if place[0] < end and place[1] > start]
    first, last = (touched[0][0], touched[-1][1]) if touched else (start, end)
    if contradicts(question, passage.text[start:end]) and (value := asked_value(question, passage.text[first:last])):
        start, end = first + value.start, first + value.end
    return Finding(passage, start, end, (first, last), score)
