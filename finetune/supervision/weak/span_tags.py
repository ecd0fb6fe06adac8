"""Marked stretches as a tag for each token, and back: what models of sequences are fitted on.

Use   part  PN 410-778     PART marked         O  O  B-PART I-PART
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doyen.annotation.types.tokenizer import tokenise
from doyen.finetune.supervision.weak.functions import Marked
from doyen.finetune.supervision.weak.votes import ABSTAIN, Matrix, SpanVotes

OUTSIDE = 0
"""The tag of tokens that belong to no entity. Label number n has the tags 2n + 1 (its first token) and 2n + 2."""


@dataclass(frozen=True)
class TaggedText:
    """The tokens of a text and the tags that functions give them.

    Attributes:
        tokens: (start, end) of each of T.
        tags: (T, m functions); ``ABSTAIN`` in the whole column of a function that marks nothing in the text.
    """

    tokens: tuple[tuple[int, int], ...]
    tags: Matrix


def tag_count(labels: int) -> int:
    """Return how many tags there are."""
    return 2 * labels + 1


def tag_texts(votes: SpanVotes) -> list[TaggedText]:
    """Return the tags that each function gives the tokens of each text; a token belongs to a stretch that covers any of it."""
    return [_tagged(item.text, marked, votes.labels) for item, marked in zip(votes.items, votes.marked, strict=True)]


def _tagged(text: str, marked: Sequence[Sequence[Marked]], labels: Sequence[str]) -> TaggedText:
    tokens = tokenise(text)
    tags = np.full((len(tokens), len(marked)), ABSTAIN, dtype=np.int64)
    for function, marks in enumerate(marked):
        if marks:
            tags[:, function] = OUTSIDE
        for start, end, label in marks:
            touched = [n for n, token in enumerate(tokens) if token[0] < end and start < token[1]]
            tags[touched, function] = 2 * labels.index(label) + 2
            tags[touched[:1], function] -= 1
    return TaggedText(tuple(tokens), tags)


def read_spans(
    tokens: Sequence[tuple[int, int]], shares: NDArray[np.float64], labels: Sequence[str]
) -> Iterator[tuple[Marked, float]]:
    """Yield the stretches that the likeliest tags make, each with the smallest probability among its tokens.

    Args:
        shares: (T, tags) probabilities.
    """
    best = shares.argmax(axis=1) if len(shares) else []
    start = 0
    while start < len(best):
        if best[start] == OUTSIDE:
            start += 1
            continue
        label = (best[start] - 1) // 2
        end = start + 1
        while end < len(best) and best[end] == 2 * label + 2:
            end += 1
        sure = float(min(shares[n, 2 * label + 1] + shares[n, 2 * label + 2] for n in range(start, end)))
        yield (tokens[start][0], tokens[end - 1][1], labels[label]), sure
        start = end
