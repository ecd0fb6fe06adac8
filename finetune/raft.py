"""RAFT-style training examples (Zhang et al., "RAFT", arXiv 2403.10131), arranged so that many share a context.

A context is what serving would show: passages from our own retriever. For each pair whose evidence it holds, it makes an
example with the answer; the others are that pair's distractors. For pairs that it is about but does not answer, it makes
examples with the refusal. Closed-book examples have no passages at all: they are what the mode without retrieval uses.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from doyen.finetune.mining import Key, MinedPair, key_of
from doyen.platform.core.records import REFUSAL, Turn
from doyen.retrieval.passage import Passage

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


def excluded_ids(pairs: Sequence[str], seed: int, share: float = 0.06) -> frozenset[str]:
    """Choose the pairs that are also asked where their own document is missing altogether."""
    return frozenset(random.Random(seed).sample(sorted(pairs), round(share * len(pairs))))


def build_round(mined: Sequence[MinedPair], *, passages: int, shares: Shares, seed: int, number: int) -> list[Context]:
    """Return the contexts of one pass over the pairs; another ``number`` gives other contexts and orders.

    Every pair with a gold passage is answered at least once, every unanswerable pair refused once.
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
        self.asked = [index for index, item in enumerate(mined) if not item.pair.history]
        self.wished = sum(item.has_gold for item in mined)
        self.quota = missing * self.wished
        self.answers: Counter[int] = Counter()
        self.refusals: Counter[int] = Counter()
        self.seekers: dict[Key, list[int]] = defaultdict(list)
        self.holders: dict[Key, set[int]] = defaultdict(set)
        for index in self.asked:
            for passage in mined[index].ranked[: 2 * passages]:
                self.seekers[key_of(passage)].append(index)
            for golds in mined[index].quotes:
                for passage in golds:
                    self.holders[key_of(passage)].add(index)

    def compose(self) -> list[Context]:
        """Return contexts: around unanswerable pairs, missing documents, uncovered pairs, and follow-ups, in this order."""
        order = list(range(len(self.mined)))
        self.rng.shuffle(order)
        contexts = []
        for index in order:
            item = self.mined[index]
            if not item.pair.answerable and item.ranked:
                contexts.append(self._context(index, list(item.ranked[: self.passages]), "unanswerable"))
        for index in order:
            item = self.mined[index]
            if item.without_gold and not item.maybe_answered_by(item.without_gold):
                contexts.append(self._context(index, list(item.without_gold), "missing"))
        for index in order:
            item = self.mined[index]
            if item.has_gold and not self.answers[index]:
                contexts.append(self._context(index, self._choose(index), "gold"))
        return [context for context in contexts if context.examples]

    def _choose(self, index: int) -> list[Passage]:
        """Return the gold passages of a pair with distractors from its own ranking."""
        item = self.mined[index]
        chosen: dict[Key, Passage] = {}
        for golds in item.quotes:
            if not any(key_of(passage) in chosen for passage in golds):
                chosen[key_of(golds[0])] = golds[0]
        others = [passage for passage in item.ranked if key_of(passage) not in chosen]
        if not item.pair.history and self.rng.random() >= SERVED_AS_IS:
            rank = {key_of(passage): place for place, passage in enumerate(others)}
            others.sort(key=lambda passage: -(self._uncovered(passage) + 1 / (1 + rank[key_of(passage)])))
        return [*chosen.values(), *others][: max(self.passages, len(chosen))]

    def _uncovered(self, passage: Passage) -> int:
        return sum(not self.answers[index] for index in self.holders[key_of(passage)])

    def _context(self, seed: int, passages: list[Passage], kind: Kind) -> Context:
        item = self.mined[seed]
        if item.pair.history:
            self.answers[seed] += kind == "gold"
            return Context(self._ordered(passages, [seed]), (self._example(seed, kind),))
        related = {index for passage in passages for index in self.holders[key_of(passage)]} - {seed}
        answered = [index for index in sorted(related) if self._may_answer(index, passages)]
        refused = self._refused(passages, {seed, *answered}) if kind == "gold" else []
        for index in answered if kind != "gold" else [seed, *answered]:
            self.answers[index] += 1
        self.refusals.update([seed, *refused] if kind != "gold" else refused)
        examples = [self._example(seed, kind)]
        examples += [self._example(index, "gold") for index in answered]
        examples += [self._example(index, "missing") for index in refused]
        self.rng.shuffle(examples)
        return Context(self._ordered(passages, [seed, *answered]), tuple(examples))

    def _may_answer(self, index: int, passages: list[Passage]) -> bool:
        return self.answers[index] < REPEATS and self.mined[index].answered_by(passages)

    def _refused(self, passages: list[Passage], taken: set[int]) -> list[int]:
        """Choose pairs that these passages are about but do not answer, as long as refusals are below their share."""
        room = self.quota * (1 + self.answers.total()) / max(1, self.wished) - self.refusals.total()
        overlap = Counter(index for passage in passages for index in self.seekers[key_of(passage)])
        candidates = [index for index in sorted(overlap) if index not in taken and self.mined[index].pair.answerable]
        self.rng.shuffle(candidates)
        candidates.sort(key=lambda index: (self.refusals[index], -overlap[index]))
        fit = (index for index in candidates if not self.mined[index].maybe_answered_by(passages))
        return [index for index, _ in zip(fit, range(int(room)), strict=False)]

    def _ordered(self, passages: Iterable[Passage], asked: Sequence[int]) -> tuple[Passage, ...]:
        """Order passages as retrieval ranks them for those who ask; one that retrieval misses lands at random."""
        rank: Counter[Key] = Counter()
        for index in asked:
            for place, passage in enumerate(self.mined[index].ranked):
                rank[key_of(passage)] += 1 / (1 + place)
        score = {key_of(passage): rank[key_of(passage)] or self.rng.random() for passage in passages}
        return tuple(sorted(passages, key=lambda passage: -score[key_of(passage)]))

    def _example(self, index: int, kind: Kind) -> Example:
        return _example(self.mined[index], kind)


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
