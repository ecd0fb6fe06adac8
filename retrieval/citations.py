"""Which sentences of the passages an answer rests on, as exact quotes with exact places."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from doyen.core.answers import Citation, Passage
from doyen.retrieval.tokens import tokens
from doyen.retrieval.units import split_sentences

LEAST_SUPPORT = 0.5
"""Share of a statement's weight that its sentence must hold; below, nothing is cited rather than something wrong."""
NUMBER_WEIGHT = 2.0
"""Numbers and codes count double: an answer with another number is another answer."""
NEW_PART = 0.2
"""Share of the statement that a further sentence must add to be cited as well, in more than one ordinary word."""
MARKED_BONUS = 0.3
"""Advantage of passages that the answer itself names with [n]."""
MAX_QUOTE_CHARS = 600
"""Longer sentences are cut there."""

MOST_CITATIONS = 3
"""Shown with an answer."""

_MARKER = re.compile(r"\[(\d{1,3})\]")
_CHARACTER = re.compile(r"\S")


@dataclass(frozen=True)
class _Sentence:
    """A sentence of a passage: passage number from 1, characters within the passage's text, distinct tokens."""

    marker: int
    start: int
    end: int
    tokens: frozenset[str]


@dataclass(frozen=True)
class Statement:
    """A sentence of an answer with the passage sentences that support it together.

    Attributes:
        start: first character in the answer.
        end: one past the last character; its markers ([n]) are a part of it, also behind the full stop.
        gains: citation → share of the statement's weight that it adds to those before it, in the order of their choice.
    """

    start: int
    end: int
    gains: dict[Citation, float]


def support_statements(answer: str, passages: Sequence[Passage]) -> list[Statement]:
    """Return the sentences of an answer in order, each with the sentences of the passages that support it.

    Each statement of the answer is matched with the sentence that holds most of its informative words, numbers and
    codes counting double; sentences that add the rest follow. Passages that the answer names with ``[n]`` are
    preferred for the statement that names them. Nothing is cited for a statement that no passage supports, nor for one
    with a number or code that no passage holds, unless the answer itself names a passage for it.

    Args:
        answer: what the model wrote.
        passages: in the order of the prompt; the first has marker 1.
    """
    sentences = _sentences(passages)
    weights = _weights(sentences)
    statements = []
    for start, end, text in _statements(answer):
        named = {int(number) for number in _MARKER.findall(text)}
        wanted = frozenset(tokens(_MARKER.sub(" ", text)))
        chosen = _supporting(wanted, sentences, weights, named)
        statements.append(Statement(start, end, {_citation(passages, sentence): gain for sentence, gain in chosen}))
    return statements


def strongest(statements: Sequence[Statement]) -> list[Citation]:
    """Return the citations of all statements, each once, those that add most to a statement first."""
    found: dict[Citation, float] = {}
    for statement in statements:
        for citation, gain in statement.gains.items():
            found[citation] = max(found.get(citation, 0.0), gain)
    return sorted(found, key=lambda citation: (-found[citation], citation.marker, citation.start, citation.end))


def support(answer: str, passages: Sequence[Passage]) -> float:
    """Return the share of the answer's informative words, by weight, that the passages hold, 0 to 1.

    Two passages may share the support of an answer, more than two may not: words scattered over everything that was
    found support nothing. An answer without informative words has no support.
    """
    sentences = _sentences(passages)
    weights = _weights(sentences)
    wanted = frozenset(tokens(_MARKER.sub(" ", answer)))
    total = math.fsum(_weight(token, weights) for token in wanted)
    if not total:
        return 0.0
    held: dict[int, set[str]] = {}
    for sentence in sentences:
        held.setdefault(sentence.marker, set()).update(sentence.tokens & wanted)
    sets = list(held.values())
    pairs = [one | other for number, one in enumerate(sets) for other in sets[number:]]
    return max((math.fsum(_weight(token, weights) for token in pair) / total for pair in pairs), default=0.0)


def _statements(answer: str) -> list[tuple[int, int, str]]:
    """Split an answer into (start, end, text); a marker after the full stop belongs to the sentence before it.

    To split it so, the text has that marker before the full stop. Both hold the same characters but for white space, so
    that counting them tells where a statement lies in the answer: "Open it. [1] Wait." → "Open it [1]. ", "Wait.".
    """
    attached = re.sub(r"([.!?])\s*((?:\[\d{1,3}\]\s*)+)", r" \2\1 ", answer)
    places = [match.start() for match in _CHARACTER.finditer(answer)]
    statements = []
    done = 0
    for start, end in split_sentences(attached):
        text = attached[start:end]
        first, done = done, done + len(_CHARACTER.findall(text))
        statements.append((places[first], places[done - 1] + 1, text))
    return statements


def _sentences(passages: Sequence[Passage]) -> list[_Sentence]:
    return [
        _Sentence(marker, start, end, frozenset(tokens(passage.text[start:end])))
        for marker, passage in enumerate(passages, start=1)
        for start, end in split_sentences(passage.text)
    ]


def _weights(sentences: Sequence[_Sentence]) -> dict[str, float]:
    """Return the weight of each token in the passages: the rarer among their sentences, the heavier."""
    frequency = Counter(token for sentence in sentences for token in sentence.tokens)
    return {token: math.log(1 + len(sentences) / count) for token, count in frequency.items()}


def _weight(token: str, weights: dict[str, float]) -> float:
    """Return a token's weight; one that no passage holds weighs as much as one that a single sentence holds."""
    rarest = max(weights.values(), default=1.0)
    factor = NUMBER_WEIGHT if any(char.isdigit() for char in token) else 1.0
    return factor * weights.get(token, rarest)


def _supporting(
    wanted: frozenset[str], sentences: Sequence[_Sentence], weights: dict[str, float], named: set[int]
) -> list[tuple[_Sentence, float]]:
    """Return sentences that together support a statement, with the share that each adds, or nothing."""
    if not named and any(token not in weights and any(char.isdigit() for char in token) for token in wanted):
        return []
    worth = {token: _weight(token, weights) for token in wanted}
    total = math.fsum(worth.values())
    chosen: list[tuple[_Sentence, float]] = []
    missing = set(wanted)
    while total:
        gains = [math.fsum(worth[token] for token in sentence.tokens & missing) / total for sentence in sentences]
        ranked = [
            gain + MARKED_BONUS * (sentence.marker in named and gain > 0)
            for gain, sentence in zip(gains, sentences, strict=True)
        ]
        best = max(range(len(sentences)), key=lambda number: (ranked[number], -number), default=None)
        if best is None or (not chosen and ranked[best] < LEAST_SUPPORT):
            return chosen
        fresh = sentences[best].tokens & missing
        telling = len(fresh) > 1 or any(char.isdigit() for token in fresh for char in token)
        if gains[best] < NEW_PART or (chosen and not telling):
            return chosen
        chosen.append((sentences[best], gains[best]))
        missing -= sentences[best].tokens
    return chosen


def citation_at(passages: Sequence[Passage], marker: int, start: int, end: int) -> Citation:
    """Return a stretch of a passage as a citation.

    Args:
        marker: the passage's number, from 1.
        start: first character in the passage's text.
        end: one past the last.
    """
    passage = passages[marker - 1]
    return Citation(
        marker=marker,
        chunk_id=passage.chunk_id,
        source=passage.source,
        start=passage.start + start,
        end=passage.start + end,
        page=passage.page_at(passage.start + start),
        quote=passage.text[start:end],
        revision=passage.revision,
        superseded_by=passage.superseded_by,
    )


def _citation(passages: Sequence[Passage], sentence: _Sentence) -> Citation:
    return citation_at(passages, sentence.marker, sentence.start, min(sentence.end, sentence.start + MAX_QUOTE_CHARS))
