"""Requests of two parts that ask the same in other words, found as neighbours among sentence vectors.

Of few requests all are embedded. Of many, word vectors choose first which pairs are worth it: the mean of a text's word
vectors, rare words weighing more (Arora et al., "A Simple but Tough-to-Beat Baseline for Sentence Embeddings", 2017), costs a
thousandth of a pass through the encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from doyen.finetune.leakage.requests import (
    TRAIN,
    Leak,
    LeakKind,
    Request,
    about_the_same,
    equal_answers,
    one_word_apart,
    other_answer,
    same_answer,
)
from doyen.finetune.leakage.wording import Places, in_order, leak_of

SAME_QUESTION = 0.85
"""Cosine from which two requests with the same telling answer are one."""
SAME_SHORT = 0.9
"""Cosine from which two requests with an equal answer of a word or two are one."""
ONE_WORD = 0.94
"""Cosine from which two requests that differ in one word are one: where all else is equal, that word may tell them apart."""
SAME_TEXT = 0.97
"""Cosine from which two requests are one, unless telling answers differ."""
ALL = 10_000
"""So many requests are all embedded."""
CLOSEST = 5_000
"""Of more requests, so many pairs with the same answer are, the closest by their word vectors, and a fifth of others."""
COARSE, COARSE_TEXT = 0.4, 0.9
"""Cosines of word vectors below which a pair is not embedded: with the same answer, and with another or none."""
MOST = 40_000
"""Of a block of requests, so many pairs are looked at, the closest by their word vectors."""
BLOCK = 2_000

Vectors = NDArray[np.float32]


class Encoder(Protocol):
    """What embeds texts: `doyen.retrieval.embedder.Embedder`."""

    @property
    def network(self) -> Any:
        """The PyTorch module, whose word vectors choose among many requests."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors, ``(len(texts), dim)`` float32."""
        ...

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the word pieces of texts."""
        ...


@dataclass(frozen=True)
class Compared:
    """How many of the requests were embedded.

    Attributes:
        requests: all of them.
        embedded: those that were.
        closest: cosine of word vectors down to which pairs were looked at; None where all requests were embedded.
    """

    requests: int
    embedded: int
    closest: float | None = None

    def __str__(self) -> str:
        if self.closest is None:
            return f"all {self.requests} requests embedded"
        chosen = f"pairs with the same answer and word vectors alike at {self.closest:.2f} and up"
        return f"{self.embedded} of {self.requests} requests embedded: {chosen}"


def neighbours(requests: Sequence[Request], encoder: Encoder) -> tuple[list[tuple[Places, Leak]], Compared]:
    """Return the requests of different parts that ask the same in other words, and how they were compared."""
    texts = list(dict.fromkeys(request.text for request in requests))
    if len({request.part for request in requests}) < 2:
        return [], Compared(len(requests), 0)
    closest = None
    if len(texts) <= ALL:
        vectors = encoder.encode(texts)
        row = {text: place for place, text in enumerate(texts)}
        pairs = _near(requests, vectors[[row[request.text] for request in requests]], SAME_QUESTION)[0]
    else:
        pairs, closest = _worth_embedding(requests, encoder)
        texts = sorted({requests[place].text for pair in pairs for place in pair})
        vectors = encoder.encode(texts)
        row = {text: place for place, text in enumerate(texts)}
    found = []
    for here, there in pairs:
        one, other = requests[here], requests[there]
        cosine = float(vectors[row[one.text]] @ vectors[row[other.text]])
        if cosine >= _least(one, other) and not other_answer(one, other):
            found.append(((here, there), leak_of(LeakKind.MEANING, one, other, cosine)))
    return found, Compared(len(requests), len(texts), closest)


def _worth_embedding(requests: Sequence[Request], encoder: Encoder) -> tuple[dict[Places, float], float]:
    """Return the pairs that may be one question, those with the same answer and the closest word vectors first.

    Returns:
        The pairs, and down to which cosine those with the same answer were looked at.
    """
    near, least = _near(requests, _word_vectors([request.text for request in requests], encoder), COARSE, MOST)
    same: list[tuple[float, Places]] = []
    alike: list[tuple[float, Places]] = []
    for places, cosine in near.items():
        one, other = (requests[place] for place in places)
        if same_answer(one, other) or equal_answers(one, other):
            same.append((cosine, places))
        elif cosine >= COARSE_TEXT and not other_answer(one, other):
            alike.append((cosine, places))
    same.sort(reverse=True)
    alike.sort(reverse=True)
    if len(same) > CLOSEST:
        least = max(least, same[CLOSEST - 1][0])
    return {places: cosine for cosine, places in [*same[:CLOSEST], *alike[: CLOSEST // 5]]}, least


def _least(one: Request, other: Request) -> float:
    if one_word_apart(one, other):
        return ONE_WORD if same_answer(one, other) else SAME_TEXT
    if same_answer(one, other):
        return SAME_QUESTION
    return SAME_SHORT if equal_answers(one, other) else SAME_TEXT


def _near(
    requests: Sequence[Request], vectors: Vectors, least: float, most: int | None = None
) -> tuple[dict[Places, float], float]:
    """Return the cosine of requests in different parts, one of them held out, that are about the same, and the least seen.

    Args:
        most: pairs of a block of requests that are looked at, the closest; None looks at all.
    """
    held_out = np.array([place for place, request in enumerate(requests) if request.part != TRAIN], dtype=int)
    parts = sorted({request.part for request in requests})
    part = np.array([parts.index(request.part) for request in requests])
    found: dict[Places, float] = {}
    seen = least
    for start in range(0, len(requests) if len(held_out) else 0, BLOCK):
        cosines = vectors[start : start + BLOCK] @ vectors[held_out].T
        cosines[part[start : start + BLOCK, None] == part[held_out]] = 0
        rows, columns = np.nonzero(cosines >= least)
        if most is not None and len(rows) > most:
            order = np.argpartition(-cosines[rows, columns], most)[:most]
            rows, columns = rows[order], columns[order]
            seen = max(seen, float(cosines[rows, columns].min()))
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            here, there = start + row, int(held_out[column])
            if in_order(requests, here, there) and about_the_same(requests[here], requests[there]):
                found[here, there] = float(cosines[row, column])
    return found, seen


def _word_vectors(texts: Sequence[str], encoder: Encoder) -> Vectors:
    """Return the mean word vector of each text, without what is common to all, ``(len(texts), dim)`` with unit length."""
    table = np.asarray(encoder.network.get_input_embeddings().weight.detach().float().cpu().numpy(), np.float32)
    pieces = [np.unique(np.array(ids, dtype=int)) for ids in encoder.tokens(texts)]
    counts = np.bincount(np.concatenate(pieces), minlength=len(table))
    weights = np.log((len(texts) + 1) / (counts + 1)).astype(np.float32)
    vectors = np.stack([weights[ids] @ table[ids] for ids in pieces])
    vectors -= vectors.mean(0)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
