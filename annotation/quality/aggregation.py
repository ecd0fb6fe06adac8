"""What several annotators' labels make probable: how far each annotator can be trusted, and one label for each item."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TypeAlias

from scipy.stats import chi2_contingency

from doyen.annotation.quality.annotator_models import Model, Votes, fit
from doyen.annotation.quality.comparison import token_f1
from doyen.annotation.quality.label_votes import NO, Decomposition, Key
from doyen.annotation.quality.labelled_items import Item, gather, require_single
from doyen.annotation.type_table import difference, entry_of
from doyen.annotation.types.typed_labels import Classes, Label, LabelledText, PromptResponse

Task: TypeAlias = tuple[str, Key]
"""item_id and decision"""

ASSUMED = 0.8
"""Reliability of an annotator about whom nothing is known."""
LEAST, MOST = 0.05, 0.99
"""Nobody is held to be surer than this, or more wrong, when votes are weighed."""
FEWEST_GOLD, PRIOR = 5, 2
"""Gold items that an annotator must have labelled to be measured by them, and how many such items the assumption weighs."""
MANY_SHARED = 100
"""Decisions that three annotators must share before a model may decide in the place of a majority."""
SIGNIFICANT = 0.01
"""Chance up to which annotators who err equally often would differ as much, so that a model may tell them apart."""
FEWEST_SHARED = 10
"""Decisions that an annotator must share with others to count as known to a model; it needs three such annotators."""


@dataclass(frozen=True)
class Reliability:
    """How far an annotator can be trusted.

    Attributes:
        value: from 0 to 1: how probable a decision of theirs is right.
        items: items that they share with others, on which it rests.
        method: dawid-skene, mace, agreement (two annotators: no model can tell who errs, both get the same), similarity
            (free text: mean token F1 with the others), gold (measured on gold items), or given.
    """

    value: float
    items: int
    method: str


@dataclass(frozen=True)
class Consensus:
    """What the annotators of one item hold together.

    Attributes:
        confidence: from 0 to 1; for labels of many parts the mean over their parts, for free text the mean token F1 of the
            chosen answer with the others. Of an item with a single label it is the annotator's reliability.
        method: dawid-skene, mace, majority (votes weighed by reliability) or closest (free text): the name to store with
            the decision.
        annotators: whose labels went into it, sorted.
    """

    label: Label
    confidence: float
    method: str
    annotators: tuple[str, ...] = ()


@dataclass(frozen=True)
class Aggregation:
    """What the annotators of many items together make probable.

    Attributes:
        reliability: by annotator; only those who share an item with another, or whose reliability was given.
        method: dawid-skene, mace, majority, or closest for free text.
        parts: how the labels are taken apart; None for free text.
        votes: by item and decision, the answer of each annotator.
        verdicts: by item_id and decision, the likeliest answer and its probability; empty for free text.
    """

    items: Sequence[Item]
    reliability: dict[str, Reliability]
    method: str
    parts: Decomposition | None = None
    votes: Votes[Task] = field(default_factory=dict)
    verdicts: dict[str, dict[Key, tuple[str, float]]] = field(default_factory=dict)

    def trust(self, annotator: str) -> float:
        """Return the annotator's reliability, or what is assumed of a stranger."""
        return _trust(self.reliability, annotator)

    def consensus(self) -> dict[str, Consensus]:
        """Return one label for each item, by item_id."""
        return {
            item.item_id: self._closest(item) if self.parts is None else self._elected(item, self.parts) for item in self.items
        }

    def _elected(self, item: Item, parts: Decomposition) -> Consensus:
        verdicts = self.verdicts.get(item.item_id, {})
        if not parts.open_ended:
            # Tokens that few annotators cut this way are left out.
            voters = {key: len(self.votes[item.item_id, key]) for key in verdicts}
            verdicts = {key: verdict for key, verdict in verdicts.items() if 2 * voters[key] >= len(item.labels)}
        label = parts.whole({key: answer for key, (answer, _) in verdicts.items()})
        if verdicts:
            confidence = fmean(chance for _, chance in verdicts.values())
        else:
            confidence = weigh(dict.fromkeys(item.annotators, NO), {n: self.trust(n) for n in item.annotators}, 2)[1]
        return Consensus(label, confidence, self.method, item.annotators)

    def _closest(self, item: Item) -> Consensus:
        """The answer most like all others, theirs weighed by reliability; among equals the most reliable annotator's."""
        labels = item.by_annotator(PromptResponse)
        alike = {name: self._likeness(name, labels) for name in labels}
        best = max(sorted(labels), key=lambda name: (round(alike[name], 9), self.trust(name)))
        return Consensus(labels[best], alike[best], self.method, item.annotators)

    def _likeness(self, name: str, labels: Mapping[str, PromptResponse]) -> float:
        """How like the others' answers an annotator's is; of an only answer the annotator's reliability."""
        others = {who: max(self.trust(who), 1e-9) for who in labels if who != name}
        if not others:
            return self.trust(name)
        alike = sum(weight * token_f1(labels[name].response, labels[who].response) for who, weight in others.items())
        return alike / sum(others.values())


def consensus(
    labels: Sequence[LabelledText],
    *,
    reliability: Mapping[str, float] | None = None,
    multiple: bool = False,
    model: Model = "dawid-skene",
) -> dict[str, Consensus]:
    """Aggregate the labels of each item into one; labels of one type only.

    Classes, tags, spans, mentions, links and relations are decided one by one: by a model of the annotators where three or
    more share enough items, else by votes weighed by reliability. A span that does not win is left out, so that two
    equally reliable annotators keep what both marked. Of free texts the one closest to all others is taken.

    Args:
        labels: current labels; where an annotator has several of one item the newest counts.
        reliability: known reliability of annotators (0 to 1), for example from gold items; estimated where not given.
        multiple: whether a text may have several classes, as the task's description says.
        model: dawid-skene or mace.

    Returns:
        item_id → consensus, for every item with at least one label, in the order of first appearance.

    Raises:
        InputError: the labels are of different types, or have several classes without ``multiple``.
    """
    return aggregate(gather(labels), reliability, multiple=multiple, model=model).consensus()


def gold_reliability(items: Sequence[Item], gold: Mapping[str, Label]) -> dict[str, float]:
    """Measure annotators by gold items: their mean agreement with the right answer, drawn a little to what is assumed.

    Args:
        items: of one type.
        gold: the right label by item_id.

    Returns:
        Reliability by annotator, of those who labelled at least ``FEWEST_GOLD`` gold items.
    """
    agreed: dict[str, list[float]] = defaultdict(list)
    for item in items:
        if item.item_id in gold:
            for entry in item.labels:
                agreed[entry.annotator].append(difference(entry.label, gold[item.item_id]).agreement)
    return {
        name: (sum(values) + PRIOR * ASSUMED) / (len(values) + PRIOR)
        for name, values in sorted(agreed.items())
        if len(values) >= FEWEST_GOLD
    }


def aggregate(
    items: Sequence[Item], known: Mapping[str, float] | None = None, *, multiple: bool = False, model: Model = "dawid-skene"
) -> Aggregation:
    """Weigh all labels against each other.

    Dawid–Skene or MACE tell how far each annotator can be trusted where three or more share enough; two annotators get the
    square root of their agreement, which is right if both err equally often and never in the same way.

    Args:
        items: of one type.
        known: reliability that is known, for example from gold items. With it answers are weighed by reliability alone.
        multiple: whether a text may have several classes, as the task's description says.
        model: the model of annotators, where there are enough of them.

    Raises:
        InputError: the labels are of different types, or have several classes without ``multiple``.
    """
    parts = _decomposition(items, multiple)
    if parts is None:
        return Aggregation(items, _with_known(_similarity(items), known), "closest")
    votes = {(item.item_id, key): own for item in items for key, own in parts.votes(item).items()}
    shared = {task: own for task, own in votes.items() if len(own) > 1}
    fitted = fit(shared, model) if _enough(shared, FEWEST_SHARED) else None
    estimated = fitted.reliability if fitted else _agreement(shared)
    counts = Counter(name for item in items if len(item.labels) > 1 for name in item.annotators)
    method = model if fitted else "agreement"
    reliability = _with_known({name: Reliability(value, counts[name], method) for name, value in estimated.items()}, known)
    trust = {name: _trust(reliability, name) for own in votes.values() for name in own}
    decided: Mapping[Task, tuple[str, float]] = {}
    if fitted and not known and tells_apart(shared):
        decided = fitted.verdicts
    elif fitted and not known:
        trust = dict.fromkeys(trust, fmean(trust.values()))
    kinds = len({answer for own in votes.values() for answer in own.values()})
    verdicts: dict[str, dict[Key, tuple[str, float]]] = defaultdict(dict)
    for (item_id, key), own in votes.items():
        verdicts[item_id][key] = decided.get((item_id, key)) or weigh(own, trust, kinds)
    return Aggregation(items, reliability, model if decided else "majority", parts, votes, verdicts)


def weigh(answers: Mapping[str, str], trust: Mapping[str, float], kinds: int) -> tuple[str, float]:
    """Return the likeliest of the annotators' answers and its probability, each erring independently and in any way alike.

    This is the one-coin model with known coins. Of equally likely answers the first in the alphabet is taken, but a mark
    that only half of them made is not.

    Args:
        answers: answer by annotator, at least one.
        trust: reliability by annotator.
        kinds: how many different answers are possible.
    """
    wrong_ways = max(kinds - 1, 1)
    sure = {name: min(max(trust[name], LEAST), MOST) for name in answers}
    chances = {
        candidate: math.exp(
            sum(math.log(sure[n] if answer == candidate else (1 - sure[n]) / wrong_ways) for n, answer in answers.items())
        )
        for candidate in sorted(set(answers.values()))
    }
    others = math.exp(sum(math.log((1 - p) / wrong_ways) for p in sure.values())) * (wrong_ways + 1 - len(chances))
    best = max(chances, key=lambda candidate: (round(chances[candidate], 12), candidate == NO))
    return best, chances[best] / (sum(chances.values()) + max(others, 0.0))


def tells_apart(shared: Votes[Task]) -> bool:
    """Whether there are many shared decisions, and they show that some annotators err more often than others.

    Each annotator's answers are held against what most of the others said; a chi-squared test says whether they dissent
    equally often. Where they do, a model fits chance, and a plain majority is right more often (docs/agreement.md).
    """
    if not _enough(shared, MANY_SHARED):
        return False
    dissent: Counter[str] = Counter()
    judged: Counter[str] = Counter()
    for own in shared.values():
        for name, answer in own.items():
            [(most, times), *rest] = Counter(other for who, other in own.items() if who != name).most_common(2)
            if len(own) > 2 and (not rest or times > rest[0][1]):
                judged[name] += 1
                dissent[name] += answer != most
    table = [[dissent[name], judged[name] - dissent[name]] for name in judged]
    if len(table) < 2 or not all(map(sum, zip(*table, strict=True))):
        return False
    return bool(chi2_contingency(table).pvalue < SIGNIFICANT)


def _decomposition(items: Sequence[Item], multiple: bool) -> Decomposition | None:
    """Return how the items' labels are taken apart; None for free text or no items. Raises InputError."""
    if not items:
        return None
    label_type = type(items[0].labels[0].label)
    for item in items:
        item.of(label_type)
    if label_type is Classes and not multiple:
        require_single(items)
    votes = entry_of(items[0].labels[0].label).votes
    return votes(multiple) if votes else None


def _enough(shared: Votes[Task], fewest: int) -> bool:
    """Whether a model can tell the annotators apart: two who differ could each be the one who errs."""
    counts = Counter(name for own in shared.values() for name in own)
    return sum(times >= fewest for times in counts.values()) >= 3


def _agreement(shared: Votes[Task]) -> dict[str, float]:
    """Return the square root of the share of others' answers that each annotator's equal."""
    same: dict[str, list[float]] = defaultdict(list)
    for own in shared.values():
        times = Counter(own.values())
        for name, answer in own.items():
            same[name].append((times[answer] - 1) / (len(own) - 1))
    return {name: math.sqrt(sum(values) / len(values)) for name, values in sorted(same.items())}


def _similarity(items: Sequence[Item]) -> dict[str, Reliability]:
    """Return the mean token F1 of each annotator's response with the others' of the same item."""
    alike: dict[str, list[float]] = defaultdict(list)
    for item in items:
        responses = {name: label.response for name, label in item.by_annotator(PromptResponse).items()}
        for name, response in responses.items():
            others = [token_f1(response, other) for who, other in responses.items() if who != name]
            if others:
                alike[name].append(sum(others) / len(others))
    return {name: Reliability(sum(values) / len(values), len(values), "similarity") for name, values in sorted(alike.items())}


def _trust(reliability: Mapping[str, Reliability], annotator: str) -> float:
    return reliability[annotator].value if annotator in reliability else ASSUMED


def _with_known(found: dict[str, Reliability], known: Mapping[str, float] | None) -> dict[str, Reliability]:
    given = {name: Reliability(value, 0, "given") for name, value in (known or {}).items()}
    return dict(sorted({**found, **given}.items()))
