"""RAFT-style training examples (Zhang et al., "RAFT", arXiv 2403.10131), arranged so that many share a context.

A context is what serving would show: passages from our own retriever. For each pair whose evidence it holds, it makes an
example with the answer; the others are that pair's distractors. For pairs that it is about but does not answer, it makes
examples with the refusal. Closed-book examples have no passages at all: they are what the mode without retrieval uses.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from doyen.core.answers import Passage
from doyen.core.records import REFUSAL, Turn
from doyen.finetune.gold_passages import holds_evidence
from doyen.finetune.mining import Key, MinedPair, key_of, overlaps

Kind = Literal["gold", "missing", "unanswerable", "closed"]

SERVED_AS_IS = 0.3
"""Share of contexts that take the retriever's best passages instead of those that answer most other pairs."""
REPEATS = 2
"""Contexts of one round in which the same pair may be answered: repeats cost its branch only."""


@dataclass(frozen=True)
class Example:
    """One training example; its passages are those of its context."""

    pair_id: str
    kind: Kind
    prompt: str
    history: tuple[Turn, ...]
    response: str


@dataclass(frozen=True)
class Context:
    """Passages, best first, and the examples that are asked over them."""

    passages: tuple[Passage, ...]
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Shares:
    """Wished numbers of examples for each example with a gold passage."""

    missing: float
    closed: float

    @staticmethod
    def of(raft_shares: tuple[float, float, float]) -> Shares:
        """Turn shares of gold, missing and closed-book examples into ratios to the first."""
        gold, missing, closed = raft_shares
        return Shares(missing / gold, closed / gold) if gold else Shares(0.0, 1.0)


def excluded_ids(pairs: Sequence[str], seed: int, share: float = 0.03) -> frozenset[str]:
    """Choose the pairs that are also asked where their own document is missing altogether."""
    return frozenset(random.Random(seed).sample(sorted(pairs), round(share * len(pairs))))


def build_round(mined: Sequence[MinedPair], *, passages: int, shares: Shares, seed: int, number: int) -> list[Context]:
    """Return the contexts of one pass over the pairs; another ``number`` gives other contexts and orders.

    Every pair with a gold passage is answered at least once. With a share of examples whose gold passage is missing, every
    unanswerable pair is refused once; without one nothing is refused.
    """
    rng = random.Random(f"{seed}/{number}")
    composer = _Composer(mined, passages, shares.missing, rng)
    contexts = composer.compose()
    if shares.closed:
        answerable = [item for item in mined if item.pair.answerable]
        contexts += _closed_book(answerable, round(shares.closed * composer.wished), seed, number)
    return contexts


class _Composer:
    """Composes contexts greedily: each seed pair brings its passages, chosen to answer many others too."""

    def __init__(self, mined: Sequence[MinedPair], passages: int, missing: float, rng: random.Random) -> None:
        self.mined, self.passages, self.rng = mined, passages, rng
        asked = [index for index, item in enumerate(mined) if not item.pair.history]
        self.unanswerable = [index for index in asked if not mined[index].pair.answerable] if missing else []
        self.wished = sum(item.has_gold for item in mined)
        self.missing = missing
        self.answers: Counter[int] = Counter()
        self.refusals: Counter[int] = Counter()
        self.seekers: dict[str, set[int]] = defaultdict(set)
        """Pairs for which retrieval ranks a passage of the document high."""
        self.rests_on: dict[str, set[int]] = defaultdict(set)
        """Pairs whose evidence is in the document."""
        self._held: dict[Key, set[int]] = {}
        for index in asked:
            for passage in mined[index].ranked[: 2 * passages]:
                self.seekers[passage.document_id].add(index)
            for golds in mined[index].quotes:
                for passage in golds:
                    self.rests_on[passage.document_id].add(index)

    def compose(self) -> list[Context]:
        """Return contexts: around missing documents, pairs not yet answered, and unanswerable pairs not yet refused."""
        order = list(range(len(self.mined)))
        self.rng.shuffle(order)
        if not self.missing:
            return list(self._around_gold(order))
        return [*self._around_missing(order), *self._around_gold(order), *self._around_unanswerable(order)]

    def _around_missing(self, order: Sequence[int]) -> Iterator[Context]:
        for index in order:
            item = self.mined[index]
            if item.without_gold and not item.maybe_answered_by(item.without_gold):
                yield self._context(index, self._fill({}, item.without_gold), "missing")

    def _around_gold(self, order: Sequence[int]) -> Iterator[Context]:
        for index in order:
            if self.mined[index].has_gold and not self.answers[index]:
                yield self._context(index, self._with_gold(index), "gold")

    def _around_unanswerable(self, order: Sequence[int]) -> Iterator[Context]:
        for index in order:
            item = self.mined[index]
            if not item.pair.answerable and item.ranked and not self.refusals[index]:
                yield self._context(index, self._fill({}, item.ranked[: 2 * self.passages]), "unanswerable")

    def _with_gold(self, index: int) -> list[Passage]:
        """Return the gold passages of a pair with distractors from its own ranking."""
        item = self.mined[index]
        chosen: dict[Key, Passage] = {}
        for golds in item.quotes:
            if not any(key_of(passage) in chosen for passage in golds):
                chosen[key_of(golds[0])] = golds[0]
        return self._fill(chosen, item.ranked)

    def _fill(self, chosen: dict[Key, Passage], ranked: Sequence[Passage]) -> list[Passage]:
        """Fill a context up from a ranking, mostly with passages that answer pairs which have had no turn yet."""
        filled = list(chosen.values())
        others = list(ranked)
        if self.rng.random() >= SERVED_AS_IS:
            # A stable sort: the ranking decides among passages that answer as many.
            others.sort(key=lambda passage: -self._uncovered(passage))
        for passage in others:
            if len(filled) < self.passages and not any(overlaps(passage, other) for other in filled):
                filled.append(passage)
        return filled

    def _held_by(self, passage: Passage) -> set[int]:
        """Return the pairs whose evidence, or part of it, the passage holds."""
        key = key_of(passage)
        if key not in self._held:
            candidates = self.rests_on[passage.document_id]
            self._held[key] = {index for index in candidates if holds_evidence(self.mined[index].pair, passage.text)}
        return self._held[key]

    def _uncovered(self, passage: Passage) -> int:
        return sum(not self.answers[index] for index in self._held_by(passage))

    def _overlap(self, index: int, passages: Iterable[Passage], depth: int) -> int:
        """Return how many of the passages retrieval would show, much the same, among its best ``depth`` for a pair."""
        best = self.mined[index].ranked[:depth]
        return sum(any(overlaps(passage, other) for other in best) for passage in passages)

    def _context(self, seed: int, passages: list[Passage], kind: Kind) -> Context:
        """Make the context that ``seed`` asks over, and let others ask over it too."""
        item = self.mined[seed]
        kinds: dict[int, Kind] = {seed: kind}
        if not item.pair.history:  # earlier turns stand before the passages: nobody else shares them
            related = {index for passage in passages for index in self._held_by(passage)}
            kinds |= {index: "gold" for index in sorted(related - {seed}) if self._may_answer(index, passages)}
            kinds |= dict.fromkeys(self._unanswerable(passages, set(kinds)), "unanswerable")
            kinds |= dict.fromkeys(self._refused(passages, kinds), "missing")
        golds = [index for index in kinds if kinds[index] == "gold"]
        self.answers.update(golds)
        self.refusals.update(kinds.keys() - golds)
        examples = [_example(self.mined[index], kinds[index]) for index in kinds]
        self.rng.shuffle(examples)
        return Context(self._ordered(passages, [seed, *golds]), tuple(examples))

    def _may_answer(self, index: int, passages: list[Passage]) -> bool:
        return self.answers[index] < REPEATS and self.mined[index].answered_by(passages)

    def _unanswerable(self, passages: list[Passage], taken: set[int]) -> list[int]:
        """Return the unanswerable pairs without a turn for which retrieval would show one of these passages."""
        waiting = [index for index in self.unanswerable if index not in taken and not self.refusals[index]]
        return [index for index in waiting if self._overlap(index, passages, self.passages)]

    def _refused(self, passages: list[Passage], kinds: dict[int, Kind]) -> list[int]:
        """Choose pairs that these passages are about but do not answer, as long as refusals are below their share."""
        golds = self.answers.total() + sum(kind == "gold" for kind in kinds.values())
        refusals = self.refusals.total() + sum(kind != "gold" for kind in kinds.values())
        near = {index for passage in passages for index in self.seekers[passage.document_id]} - kinds.keys()
        overlap = {index: self._overlap(index, passages, 2 * self.passages) for index in sorted(near)}
        candidates = [index for index in overlap if overlap[index] and self.mined[index].pair.answerable]
        self.rng.shuffle(candidates)
        candidates.sort(key=lambda index: (self.refusals[index], -overlap[index]))
        fit = (index for index in candidates if not self.mined[index].maybe_answered_by(passages))
        return list(islice(fit, max(0, round(self.missing * golds) - refusals)))

    def _ordered(self, passages: Iterable[Passage], asked: Sequence[int]) -> tuple[Passage, ...]:
        """Order passages as retrieval ranks them for those who ask; one that retrieval misses lands at random."""
        best = [self.mined[index].ranked for index in asked]

        def score(passage: Passage) -> float:
            places = [next((n for n, other in enumerate(ranked, 1) if overlaps(passage, other)), 0) for ranked in best]
            return sum(1 / place for place in places if place) or self.rng.random()

        return tuple(sorted(passages, key=score, reverse=True))


def _closed_book(mined: Sequence[MinedPair], count: int, seed: int, number: int) -> list[Context]:
    """Return one context without passages; over the rounds, all pairs take turns."""
    if not mined:
        return []
    turn = list(mined)
    random.Random(seed).shuffle(turn)
    first = number * count
    chosen = [turn[(first + offset) % len(turn)] for offset in range(min(count, len(turn)))]
    return [Context((), tuple(_example(item, "closed") for item in chosen))]


def _example(item: MinedPair, kind: Kind) -> Example:
    refused = kind in ("missing", "unanswerable")
    return Example(item.pair.id, kind, item.pair.prompt, tuple(item.pair.history), REFUSAL if refused else item.pair.response)
