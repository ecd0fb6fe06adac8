"""Quotes for a text that somebody else wrote, such as an agent: what of it do the documents say?"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from doyen.core.answers import Citation, Passage
from doyen.core.errors import InputError
from doyen.retrieval.citations import MOST_CITATIONS, strongest, support_statements
from doyen.retrieval.units import split_sentences

MOST_STATEMENTS = 20
"""Sentences of one text, each of which is looked for."""
_MARKER = re.compile(r"\[\d{1,3}\]")


@dataclass(frozen=True)
class CitedStatement:
    """A sentence of the text with the quotes that carry it.

    Attributes:
        start: first character in the text.
        end: one past the last character.
        citations: those that hold most of it first; empty where no document says so, or says another number.
    """

    start: int
    end: int
    text: str
    citations: tuple[Citation, ...]

    def public_json(self) -> dict[str, Any]:
        """Return it as agents see it."""
        return {**vars(self), "citations": [citation.to_json() for citation in self.citations]}


def cite_text(text: str, find: Callable[[str], Sequence[Passage]]) -> list[CitedStatement]:
    """Return the sentences of a text in order, each with its quotes.

    Args:
        find: returns passages for a sentence.

    Raises:
        InputError: there are no sentences, or more than MOST_STATEMENTS.
    """
    # Markers of the writer's own, such as [1], say nothing about passages that are found here.
    plain = _MARKER.sub(lambda marker: " " * len(marker.group()), text)
    places = [(start, end) for start, end in split_sentences(plain) if plain[start:end].strip()]
    if not 0 < len(places) <= MOST_STATEMENTS:
        raise InputError(f"the text has {len(places)} sentences: cite 1 to {MOST_STATEMENTS} at a time")
    return [_cited(text, plain, start, end, find) for start, end in places]


def _cited(text: str, plain: str, start: int, end: int, find: Callable[[str], Sequence[Passage]]) -> CitedStatement:
    sentence = plain[start:end]
    quotes = strongest(support_statements(sentence, find(sentence)))[:MOST_CITATIONS]
    return CitedStatement(start, end, text[start:end], tuple(quotes))
