"""What an embedder learns from: a text that asks, the piece that answers it, and pieces that only look as if they did.

question        piece with its evidence    pieces of the other passages that retrieval finds
heading path    first piece below it       –
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from doyen.core.evidence import Evidence
from doyen.core.records import Pair
from doyen.core.store import Store
from doyen.core.store.schema import ChunkRow, DocumentRow
from doyen.finetune.mining import MinedPair
from doyen.retrieval.context import context_of
from doyen.retrieval.query import standalone_query
from doyen.retrieval.units import split_pieces

FEWEST_HEADINGS = 64
"""Headings that are learnt from where pairs are few; otherwise as many as there are pairs."""


@dataclass(frozen=True)
class Example:
    """What belongs together and what does not.

    Attributes:
        query: a question, or a path of headings.
        positive: the piece that it should find.
        negatives: pieces that it should not.
        quotes: a piece that holds one of them answers as well and is no negative.
    """

    query: str
    positive: str
    negatives: tuple[str, ...] = ()
    quotes: tuple[str, ...] = ()

    def may_answer(self, piece: str) -> bool:
        """Whether a piece is the positive, or answers too."""
        return piece == self.positive or any(Evidence(quote).verbatim_in(piece) for quote in self.quotes)


def pair_examples(mined: Sequence[MinedPair]) -> list[Example]:
    """Return an example for each pair whose evidence retrieval or the store holds."""
    return [_example(item) for item in mined if item.has_gold]


def heading_examples(store: Store, count: int, seed: int) -> list[Example]:
    """Return at most so many examples from the documents' structure, one for a path of headings."""
    query = (
        select(ChunkRow.text, ChunkRow.heading, DocumentRow.title)
        .join(DocumentRow, DocumentRow.document_id == ChunkRow.document_id)
        .where(ChunkRow.heading != "")
        .order_by(ChunkRow.document_id, ChunkRow.ordinal)
    )
    first: dict[str, str] = {}
    with store.session() as session:
        for text, heading, title in session.execute(query).tuples():
            first.setdefault(context_of(title, heading), text)
    found = [Example(path, pieces_of(text)[0]) for path, text in first.items() if path and text.strip()]
    return random.Random(f"{seed}/headings").sample(found, min(count, len(found)))


def pieces_of(text: str) -> list[str]:
    """Return the stretches of a text that an index embeds."""
    return [text[start:end] for start, end in split_pieces(text)]


@dataclass(frozen=True)
class Step:
    """A batch: the piece of query ``n`` is piece ``n``; others follow.

    Attributes:
        queries: texts.
        pieces: one for each query, then the negatives of all.
        barred: (query, piece) that may belong together, so that nothing is learnt from them.
    """

    queries: list[str]
    pieces: list[str]
    barred: list[tuple[int, int]]


def make_steps(examples: Sequence[Example], size: int, epochs: int, seed: int) -> list[Step]:
    """Return the batches of all epochs; each takes another order and other negatives."""
    steps = []
    for epoch in range(epochs):
        draw = random.Random(f"{seed}/steps/{epoch}")
        order = draw.sample(examples, len(examples))
        parts = [order[start : start + size] for start in range(0, len(order), size)]
        # A single example has nothing to be told from.
        steps += [_step(part, draw) for part in parts if len(part) > 1]
    return steps


def _step(part: Sequence[Example], draw: random.Random) -> Step:
    negatives = [draw.choice(example.negatives) for example in part if example.negatives]
    pieces = [*(example.positive for example in part), *negatives]
    barred = [
        (row, column)
        for row, example in enumerate(part)
        for column, piece in enumerate(pieces)
        if row != column and example.may_answer(piece)
    ]
    return Step([example.query for example in part], pieces, barred)


def _example(item: MinedPair) -> Example:
    quotes = tuple(item.pair.evidence or [item.pair.response])
    wanted = Evidence(quotes[0])
    positive = max(pieces_of(item.quotes[0][0].text), key=wanted.share_held)
    others = [passage.text for passage in item.ranked if not item.maybe_answered_by([passage])]
    negatives = tuple(piece for text in others for piece in pieces_of(text) if piece != positive)
    return Example(question_of(item.pair), positive, negatives, quotes)


def question_of(pair: Pair) -> str:
    """Return what is searched for a pair."""
    return standalone_query(pair.prompt, pair.history)
