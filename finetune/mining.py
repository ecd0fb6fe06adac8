"""What our own retriever finds for each labelled pair: gold passages, and the distractors that serving would show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from doyen.core.answers import Passage, Retriever
from doyen.core.evidence import Evidence
from doyen.core.progress import Reporter
from doyen.core.records import Pair
from doyen.core.store import Store
from doyen.finetune.gold_passages import ChunkFinder, holds_evidence, load_sources
from doyen.finetune.similarity import content_words
from doyen.retrieval.query import standalone_query

DEPTH = 3
"""Distractors come from the best DEPTH × passages of a context that retrieval returns."""
ANSWERING_RECALL = 0.7
"""A passage with this share of the response's words might answer the question in other words than the quote's."""

Key = tuple[str, int, int]
"""Identity of a passage: document, start, end."""


def key_of(passage: Passage) -> Key:
    """Return the identity of a passage."""
    return (passage.document_id, passage.start, passage.end)


def overlaps(a: Passage, b: Passage) -> bool:
    """Whether two passages are mostly the same stretch: retrieval cuts passages to fit each query."""
    shared = min(a.end, b.end) - max(a.start, b.start)
    return a.document_id == b.document_id and 2 * shared >= min(a.end - a.start, b.end - b.start)


@dataclass(frozen=True)
class MinedPair:
    """A pair with its passages.

    Attributes:
        ranked: passages as retrieval ranks them for the pair's question, best first.
        without_gold: the same with the pair's own document excluded; empty for unanswerable pairs.
        quotes: for each evidence quote, the passages that hold it; empty when no gold passage is known.
        words: the response's content words.
    """

    pair: Pair
    ranked: tuple[Passage, ...]
    without_gold: tuple[Passage, ...]
    quotes: tuple[tuple[Passage, ...], ...]
    words: frozenset[str]

    @property
    def has_gold(self) -> bool:
        """Whether a context can be made that holds the answer."""
        return bool(self.quotes)

    def answered_by(self, passages: Iterable[Passage]) -> bool:
        """Whether the passages together hold all of the evidence."""
        texts = [passage.text for passage in passages]
        keys = {key_of(passage) for passage in passages}
        wanted = self.pair.evidence or [self.pair.response]
        if all(any(Evidence(quote).verbatim_in(text) for text in texts) for quote in wanted):
            return self.has_gold
        return self.has_gold and all(any(key_of(gold) in keys for gold in golds) for golds in self.quotes)

    def maybe_answered_by(self, passages: Iterable[Passage]) -> bool:
        """Whether some passage might hold the answer, so that a refusal would be a wrong lesson."""
        for passage in passages:
            if holds_evidence(self.pair, passage.text):
                return True
            if len(self.words & content_words(passage.text)) >= ANSWERING_RECALL * len(self.words):
                return True
        return False


def mine(
    pairs: Sequence[Pair],
    retriever: Retriever,
    store: Store,
    *,
    passages: int,
    reporter: Reporter,
    excluded: frozenset[str],
    without: int | None = None,
) -> list[MinedPair]:
    """Retrieve for every pair what serving would, and find its gold passages.

    Args:
        passages: passages of a context.
        excluded: ids of pairs that are also retrieved for without their own document.
        without: passages that are then retrieved; None takes twice those of a context.
    """
    documents = load_sources(store, [pair.source for pair in pairs if pair.source])
    finder = ChunkFinder(store)
    mined = []
    with reporter.bar("mining passages", len(pairs)) as bar:
        for pair in pairs:
            document = documents.get(pair.source or "")
            query = standalone_query(pair.prompt, pair.history)
            ranked = retriever.retrieve(query, DEPTH * passages)
            others: list[Passage] = []
            if pair.id in excluded and document is not None:
                others = retriever.retrieve(query, without or 2 * passages, exclude_documents=[document.document_id])
            stored = finder.gold(pair, document)
            quotes = _quotes(pair, ranked, stored)
            mined.append(MinedPair(pair, tuple(ranked), tuple(others), quotes, content_words(pair.response)))
            bar.advance()
    return mined


def _quotes(pair: Pair, ranked: Sequence[Passage], stored: Passage | None) -> tuple[tuple[Passage, ...], ...]:
    if not pair.answerable:
        return ()
    found = []
    for quote in pair.evidence or [pair.response]:
        holders = tuple(passage for passage in ranked if Evidence(quote).verbatim_in(passage.text))
        if not holders and stored is not None:
            holders = (stored,)
        if not holders:
            return ()
        found.append(holders)
    return tuple(found)
