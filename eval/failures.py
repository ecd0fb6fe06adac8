"""Where answers fail: was the evidence not found, or was it found and misread? It says which of the two to work on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from doyen.core.records import Question
from doyen.eval.answer_log import AnswerRecord
from doyen.eval.metrics import is_right
from doyen.eval.retrieval_metrics import first_ranks

Outcome = Literal["right", "wrong_found", "wrong_not_found", "refused_found", "refused_not_found"]
"""What became of an answerable question with evidence: "found" where the passages that the answer rests on hold all of it."""
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


def outcome(question: Question, record: AnswerRecord) -> Outcome:
    """Return what became of an answerable question with evidence."""
    if is_right(question, record):
        return "right"
    found = len(first_ranks(question, record.passages)) == len(question.evidence)
    if record.abstained:
        return "refused_found" if found else "refused_not_found"
    return "wrong_found" if found else "wrong_not_found"


def summarise_failures(
    questions: Sequence[Question], records: Mapping[str, Sequence[AnswerRecord]]
) -> dict[str, dict[str, int]]:
    """Return mode → outcome → questions, of the answerable ones with evidence; modes that read no passages are left out."""
    found = {}
    for mode, answers in records.items():
        pairs = zip(questions, answers, strict=True)
        asked = [(question, record) for question, record in pairs if question.answerable and question.evidence]
        if any(record.passages for _, record in asked):
            counted = Counter(outcome(*pair) for pair in asked)
            found[mode] = {str(name): counted[name] for name in OUTCOMES}
    return found
