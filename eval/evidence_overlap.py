"""Which evidence quotes of a question passages and citations hold."""

from __future__ import annotations

from doyen.core.answers import Citation, Passage
from doyen.core.evidence import Evidence
from doyen.core.records import Question


def from_source(question: Question, source: str) -> bool:
    """Whether a passage or citation of ``source`` can be right; any source can where the question names none."""
    return question.source is None or question.source == source


def evidence_in(question: Question, passage: Passage) -> list[int]:
    """Return the numbers of the evidence quotes that the passage holds; none when it is of another document."""
    if not from_source(question, passage.source):
        return []
    return [number for number, quote in enumerate(question.evidence) if Evidence(quote).held_by(passage.text)]


def quotes_evidence(question: Question, citation: Citation) -> list[int]:
    """Return the numbers of the evidence quotes that the citation's own quote holds, or is part of."""
    if not from_source(question, citation.source):
        return []
    quote = citation.quote
    return [
        number
        for number, wanted in enumerate(question.evidence)
        if Evidence(wanted).held_by(quote) or Evidence(quote).held_by(wanted)
    ]
