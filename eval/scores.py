"""From answers to numbers: a table of scores for each mode, one value a question."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from doyen.core.modes import PASSAGE_MODES
from doyen.core.records import Question
from doyen.core.statistics import Floats
from doyen.eval.answer_log import AnswerRecord
from doyen.eval.metrics import ANSWER_METRICS, PASSAGE_METRICS, Score
from doyen.eval.ragas_metrics import (
    JUDGED_METRICS,
    JUDGED_ON_PASSAGES,
    Embed,
    Sample,
    context_scores,
    semantic_similarity,
    text_scores,
)

logger = logging.getLogger("doyen.eval")


@dataclass(frozen=True)
class Column:
    """One metric of one mode.

    Attributes:
        values: (n_questions,), NaN where there is no number.
        applies: (n_questions,), False where the metric says nothing about the question.
    """

    values: Floats
    applies: np.ndarray

    @classmethod
    def of(cls, scores: Sequence[Score]) -> Column:
        """Return the column of scores, None standing for "does not apply"."""
        return cls(
            np.array([math.nan if score is None else score for score in scores], dtype=np.float64),
            np.array([score is not None for score in scores], dtype=bool),
        )


Table = dict[str, Column]
"""Metric → column."""


def score_mode(mode: str, questions: Sequence[Question], records: Sequence[AnswerRecord], embed: Embed | None) -> Table:
    """Return all scores that need no judge; metrics that apply to no question of the mode are left out.

    Args:
        records: one for each question, in the same order.
        embed: None leaves semantic similarity out.
    """
    with_passages = mode in PASSAGE_MODES
    metrics = {**ANSWER_METRICS, **(PASSAGE_METRICS if with_passages else {})}
    both = list(zip(questions, records, strict=True))
    table = {name: Column.of([metric(question, record) for question, record in both]) for name, metric in metrics.items()}
    table |= _ragas_columns(questions, records, with_passages=with_passages, embed=embed)
    return {name: column for name, column in table.items() if column.applies.any()}


def to_sample(question: Question, record: AnswerRecord) -> Sample:
    """Return an answer as RAGAS sees it. Passages of wrong documents are shown too: RAGAS knows no sources."""
    contexts = [passage.text for passage in record.passages]
    return Sample(question.question, record.answer, question.answers, contexts, question.evidence)


def judged_columns(
    mode: str, questions: Sequence[Question], judgements: Mapping[tuple[str, str], Mapping[str, float | None]]
) -> Table:
    """Return a mode's judged scores; they apply to answerable questions, and are NaN where the judge gave no number.

    Metrics that look at passages are left out of the modes that are shown none.

    Args:
        judgements: (mode, question id) → metric → score, None in place of NaN.
    """
    names = JUDGED_METRICS if mode in PASSAGE_MODES else [name for name in JUDGED_METRICS if name not in JUDGED_ON_PASSAGES]
    table = {}
    for name in names:
        scores: list[Score] = []
        for question in questions:
            judged = judgements.get((mode, question.id), {}).get(name)
            scores.append(None if not question.answerable else math.nan if judged is None else judged)
        table[name] = Column.of(scores)
    return {name: column for name, column in table.items() if column.applies.any()}


def _ragas_columns(
    questions: Sequence[Question], records: Sequence[AnswerRecord], *, with_passages: bool, embed: Embed | None
) -> Table:
    chosen = [number for number, question in enumerate(questions) if question.answerable]
    samples = [to_sample(questions[number], records[number]) for number in chosen]
    columns = dict(text_scores(samples))
    if embed is not None:
        columns["semantic_similarity"] = semantic_similarity(samples, embed)
    table = {name: _spread(values, chosen, len(questions)) for name, values in columns.items()}
    quoted = [number for number in chosen if questions[number].evidence] if with_passages else []
    if quoted:
        scores = context_scores([to_sample(questions[number], records[number]) for number in quoted])
        table |= {name: _spread(values, quoted, len(questions)) for name, values in scores.items()}
    return table


def _spread(values: Sequence[float], chosen: Sequence[int], n: int) -> Column:
    """Return a column of ``n`` with ``values`` at the chosen places; the metric does not apply to the others."""
    scores: list[Score] = [None] * n
    for number, value in zip(chosen, values, strict=True):
        scores[number] = value
    return Column.of(scores)
