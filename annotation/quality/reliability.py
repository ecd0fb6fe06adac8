"""How far each annotator can be trusted, and what the annotators of an item together make probable."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TypeAlias

from scipy.stats import chi2_contingency

from doyen.annotation.quality import annotator_models
from doyen.annotation.quality.annotator_models import Model
from doyen.annotation.quality.comparison import token_f1
from doyen.annotation.quality.differences import difference
from doyen.annotation.quality.labelled_items import Item, gather
from doyen.annotation.quality.votes import NO, Anatomy, Key, anatomy, votes_of
from doyen.annotation.types.typed_labels import Classes, Label, LabelledText, PromptResponse
from doyen.core.errors import InputError

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
class Judgement:
    """What the annotators of many items together make probable.

    Attributes:
        verdicts: by item_id and decision, the likeliest answer and its probability; empty for free text.
        reliability: by annotator; only those who share an item with another, or whose reliability was given.
        method: dawid-skene, mace, majority, or closest for free text.
    """

    reliability: dict[str, Reliability]
    method: str
    verdicts: dict[str, dict[Key, tuple[str, float]]] = field(default_factory=dict)

    def trust(self, annotator: str) -> float:
        """Return the annotator's reliability, or what is assumed of a stranger."""
        found = self.reliability.get(annotator)
        return found.value if found else ASSUMED


def reliability(
    labels: Iterable[LabelledText], *, multiple: bool = False, model: Model = "dawid-skene"
) -> dict[str, Reliability]:
    """Estimate how far each annotator can be trusted, from how their labels fit together; of one type only.

    Dawid–Skene or MACE where three annotators or more share enough; two annotators get the square root of their
    agreement, which is right if both err equally often and never in the same way.

    Raises:
        InputError: the labels are of different types.
    """
    return judge(gather(labels), multiple=multiple, model=model).reliability


def gold_reliability(labels: Iterable[LabelledText], gold: Mapping[str, Label]) -> dict[str, float]:
    """Measure annotators by gold items: their mean agreement with the right answer, drawn a little to what is assumed.

    Args:
        labels: current labels of one type.
        gold: the right label by item_id.

    Returns:
        Reliability by annotator, of those who labelled at least ``FEWEST_GOLD`` gold items.
    """
    agreed: dict[str, list[float]] = defaultdict(list)
    for item in gather(labels):
        if item.item_id in gold:
            for entry in item.labels:
                agreed[entry.annotator].append(difference(entry.label, gold[item.item_id]).agreement)
    return {
        name: (sum(values) + PRIOR * ASSUMED) / (len(values) + PRIOR)
        for name, values in sorted(agreed.items())
        if len(values) >= FEWEST_GOLD
    }


def judge(
    items: Sequence[Item],
    known: Mapping[str, float] | None = None,
    *,
    multiple: bool = False,
    model: Model = "dawid-skene",
) -> Judgement:
    """Weigh all labels against each other.

    Args:
        items: of one type.
        known: reliability that is known, for example from gold items. With it answers are weighed by reliability alone.
        multiple: whether a text may have several classes, as the task's description says.
        model: the model of annotators, where there are enough of them.

    Raises:
        InputError: the labels are of different types, or have several classes without ``multiple``.
    """
    taken_apart = anatomy_of(items, multiple=multiple)
    if taken_apart is None:
        return Judgement(_given(_similarity(items), known), "closest")
    votes: dict[Task, dict[str, str]] = {
        (item.item_id, key): own for item in items for key, own in votes_of(item, taken_apart).items()
    }
    shared = {task: own for task, own in votes.items() if len(own) > 1}
    seen = _items_shared(items)
    modelled: dict[Task, tuple[str, float]] = {}
    method = "majority"
    alike = False
    if _enough(shared, FEWEST_SHARED):
        fitted = annotator_models.fit(shared, model)
        found = {name: Reliability(value, seen[name], model) for name, value in fitted.reliability.items()}
        alike = not known and not tells_apart(shared)
        if not known and not alike:
            modelled, method = fitted.verdicts, model
    else:
        found = {name: Reliability(value, seen[name], "agreement") for name, value in _agreement(shared).items()}
    judgement = Judgement(_given(found, known), method)
    answers = {answer for own in votes.values() for answer in own.values()}
    trust = {name: judgement.trust(name) for own in votes.values() for name in own}
    if alike:
        trust = dict.fromkeys(trust, fmean(trust.values()))
    for (item_id, key), own in votes.items():
        verdict = modelled.get((item_id, key)) or weigh(own, trust, len(answers))
        judgement.verdicts.setdefault(item_id, {})[key] = verdict
    return judgement


def anatomy_of(items: Sequence[Item], *, multiple: bool = False) -> Anatomy | None:
    """Return how the items' labels are taken apart; None for free text or no items.

    Raises:
        InputError: the labels are of different types, or have several classes without ``multiple``.
    """
    if not items:
        return None
    kind = type(items[0].labels[0].label)
    for item in items:
        item.of(kind)
    if kind is Classes and not multiple:
        require_single(items)
    return anatomy(kind, multiple=multiple)


def require_single(items: Sequence[Item]) -> None:
    """Raise InputError where a text has several classes."""
    for item in items:
        for label in item.of(Classes):
            if len(label.labels) > 1:
                raise InputError(
                    f"item {item.item_id} has the classes {', '.join(label.labels)}, but a text of this task has one: "
                    "say that texts may have several (multiple)"
                )


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


def _enough(shared: annotator_models.Votes[Task], fewest: int) -> bool:
    """Whether a model can tell the annotators apart: two who differ could each be the one who errs."""
    counts = Counter(name for own in shared.values() for name in own)
    return sum(times >= fewest for times in counts.values()) >= 3


def tells_apart(shared: annotator_models.Votes[Task]) -> bool:
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


def _agreement(shared: annotator_models.Votes[Task]) -> dict[str, float]:
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
        responses = {name: label.response for name, label in zip(item.annotators, item.of(PromptResponse), strict=True)}
        for name, response in responses.items():
            others = [token_f1(response, other) for who, other in responses.items() if who != name]
            if others:
                alike[name].append(sum(others) / len(others))
    return {name: Reliability(sum(values) / len(values), len(values), "similarity") for name, values in sorted(alike.items())}


def _items_shared(items: Sequence[Item]) -> Counter[str]:
    return Counter(name for item in items if len(item.labels) > 1 for name in item.annotators)


def _given(found: dict[str, Reliability], known: Mapping[str, float] | None) -> dict[str, Reliability]:
    given = {name: Reliability(value, 0, "given") for name, value in (known or {}).items()}
    return dict(sorted({**found, **given}.items()))
