"""Which evidence quotes of a question passages and citations hold."""

from __future__ import annotations

import re
from collections.abc import Sequence

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


def span_in_passages(
    passages: Sequence[Passage],
    source: str,
    quote: str,
    *,
    words_budget: int,
    span: tuple[int, int] | None = None,
) -> bool:
    """Whether a quote lies whole in one of the passages within the first ``words_budget`` words of them.

    The passage that crosses the budget counts up to the crossing word. Words are counted between white space.

    Args:
        passages: best first.
        source: the document that the quote is from.
        quote: the exact text.
        span: the quote's characters in the document's parsed text; with it, another occurrence of the same words in
            the document does not count.
    """
    left = words_budget
    for passage in passages:
        if left <= 0:
            return False
        shown = _first_words(passage.text, left)
        left -= len(passage.text.split())
        if passage.source != source:
            continue
        if span is None:
            found = Evidence(quote).share_held(shown) == 1.0
        else:
            found = passage.start <= span[0] and span[1] <= passage.start + len(shown)
        if found:
            return True
    return False


def _first_words(text: str, count: int) -> str:
    """Return the text up to the end of its ``count``-th word."""
    for number, match in enumerate(re.finditer(r"\S+", text), start=1):
        if number == count:
            return text[: match.end()]
    return text
