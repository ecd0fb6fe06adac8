"""One label for each item out of several annotators' labels, with how sure it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from doyen.annotation.quality.annotator_models import Model
from doyen.annotation.quality.comparison import token_f1
from doyen.annotation.quality.labelled_items import Item, gather
from doyen.annotation.quality.reliability import Judgement, anatomy_of, judge, weigh
from doyen.annotation.quality.votes import NO, Anatomy, votes_of
from doyen.annotation.types.typed_labels import Label, LabelledText, PromptResponse


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
    items = gather(labels)
    return conclude(items, judge(items, reliability, multiple=multiple, model=model), multiple=multiple)


def conclude(items: Sequence[Item], judgement: Judgement, *, multiple: bool = False) -> dict[str, Consensus]:
    """Turn a judgement of the items into their consensus."""
    taken_apart = anatomy_of(items, multiple=multiple)
    return {
        item.item_id: _closest(item, judgement) if taken_apart is None else _elected(item, taken_apart, judgement)
        for item in items
    }


def _elected(item: Item, taken_apart: Anatomy, judgement: Judgement) -> Consensus:
    verdicts = judgement.verdicts.get(item.item_id, {})
    if not taken_apart.open_ended:
        # Tokens that few annotators cut this way are left out.
        votes = votes_of(item, taken_apart)
        verdicts = {key: verdict for key, verdict in verdicts.items() if 2 * len(votes[key]) >= len(item.labels)}
    label = taken_apart.whole({key: answer for key, (answer, _) in verdicts.items()})
    if verdicts:
        confidence = fmean(chance for _, chance in verdicts.values())
    else:
        confidence = weigh(dict.fromkeys(item.annotators, NO), {n: judgement.trust(n) for n in item.annotators}, 2)[1]
    return Consensus(label, confidence, judgement.method, item.annotators)


def _closest(item: Item, judgement: Judgement) -> Consensus:
    """The answer most like all others, theirs weighed by reliability; among equals the most reliable annotator's."""
    labels = dict(zip(item.annotators, item.of(PromptResponse), strict=True))
    if len(labels) == 1:
        [(name, only)] = labels.items()
        return Consensus(only, judgement.trust(name), judgement.method, item.annotators)
    alike = {name: _likeness(name, labels, judgement) for name in labels}
    best = max(sorted(labels), key=lambda name: (round(alike[name], 9), judgement.trust(name)))
    return Consensus(labels[best], alike[best], judgement.method, item.annotators)


def _likeness(name: str, labels: Mapping[str, PromptResponse], judgement: Judgement) -> float:
    others = {who: max(judgement.trust(who), 1e-9) for who in labels if who != name}
    alike = sum(weight * token_f1(labels[name].response, labels[who].response) for who, weight in others.items())
    return alike / sum(others.values())
