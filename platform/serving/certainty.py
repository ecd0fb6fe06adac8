"""How sure a drafted answer is: three measurements of its evidence as one number, for the order of labelling."""

from __future__ import annotations

from statistics import fmean

from doyen.core.answers import Answer
from doyen.core.text import words
from doyen.retrieval.citations import support

_STEM = 5
"""Letters that stand for a word: enough to join "replaced" and "replacement"."""
_SHORTEST = 3
"""Shorter words are mostly grammar; numbers count at any length."""


def certainty(answer: Answer) -> float:
    """Return from 0 to 1 how well an answer's evidence carries it; 0 for a refusal, and where no passage was shown.

    The mean of three shares: of the answer in its best sentence, of its own words in all passages, and of the question's
    words in the cited sentences with their headings. It ranks answers and is no probability.
    """
    if answer.abstained or not answer.passages:
        return 0.0
    asked, said = _terms(answer.question), _terms(answer.answer)
    shown = " ".join(f"{passage.heading} {passage.text}" for passage in answer.passages)
    shares = (
        support(answer.answer, answer.passages),
        _share(said - asked, _terms(shown)),
        _share(asked, _terms(_evidence(answer))),
    )
    return round(fmean(min(max(share, 0.0), 1.0) for share in shares), 3)


def _terms(text: str) -> set[str]:
    return {word[:_STEM] for word in words(text) if len(word) >= _SHORTEST or any(letter.isdigit() for letter in word)}


def _evidence(answer: Answer) -> str:
    """Return the cited sentences with the headings above them: one that speaks of something else proves nothing."""
    return " ".join(f"{answer.passages[citation.marker - 1].heading} {citation.quote}" for citation in answer.citations)


def _share(terms: set[str], found: set[str]) -> float:
    """Share of the terms that were found; 1 when there are none to look for."""
    return len(terms & found) / len(terms) if terms else 1.0
