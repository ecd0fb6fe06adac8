"""Whether a stretch of text holds an evidence quote, whatever parsing and chunking did to white space and marks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from doyen.core.answers import Citation, Passage
from doyen.core.records import Question
from doyen.core.text import words

MOST = 0.75
"""Share of a quote's words, in one run, from which a text counts as holding the quote: a chunk's edge may cut the rest."""


def share_held(quote: str, text: str) -> float:
    """Return which share of the quote's words stands in the text as one unbroken run (0 to 1).

    A quote without any word (only marks) is held when the text contains it character by character.
    """
    wanted, there = words(quote), words(text)
    if not wanted:
        return float(bool(quote.strip()) and quote.strip() in text)
    if f" {' '.join(wanted)} " in f" {' '.join(there)} ":
        return 1.0
    match = SequenceMatcher(None, wanted, there, autojunk=False).find_longest_match()
    return match.size / len(wanted)


def holds(quote: str, text: str) -> bool:
    """Whether the text holds the quote, or at least three quarters of it in one run."""
    return share_held(quote, text) >= MOST


def from_source(question: Question, source: str) -> bool:
    """Whether a passage or citation of ``source`` can be right; any source can where the question names none."""
    return question.source is None or question.source == source


def evidence_in(question: Question, passage: Passage) -> list[int]:
    """Return the numbers of the evidence quotes that the passage holds; none when it is of another document."""
    if not from_source(question, passage.source):
        return []
    return [number for number, quote in enumerate(question.evidence) if holds(quote, passage.text)]


def quotes_evidence(question: Question, citation: Citation) -> list[int]:
    """Return the numbers of the evidence quotes that the citation's own quote holds, or is part of."""
    if not from_source(question, citation.source):
        return []
    quote = citation.quote
    return [number for number, wanted in enumerate(question.evidence) if holds(wanted, quote) or holds(quote, wanted)]


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
            found = share_held(quote, shown) == 1.0
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
