"""How far annotators agree: overall, on each label, pair by pair, over time, and with gold items."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from typing import Any, Literal

from doyen.annotation.quality.intervals import Figure
from doyen.annotation.quality.labelled_items import LABEL_TYPES, Item, gather
from doyen.annotation.quality.nominal_figures import (
    class_units,
    nominal_figures,
    nominal_label_figures,
    set_figures,
    set_label_figures,
    tag_units,
)
from doyen.annotation.quality.reliability import Reliability, gold_reliability, judge, require_single
from doyen.annotation.quality.span_figures import (
    coreference_figures,
    entity_figures,
    entity_label_figures,
    text_figures,
    token_figures,
)
from doyen.annotation.types.descriptions import SENTIMENT
from doyen.annotation.types.typed_labels import Classes, Label, LabelledText
from doyen.core.errors import InputError, NotFoundError

Figures = dict[str, Figure]
Period = Literal["week", "month"]

GOLD = "\x00gold"
"""Stands for the known right answer among the annotators; no person's name begins with a NUL."""
UNDATED = "undated"


@dataclass(frozen=True)
class AgreementReport:
    """How far the annotators of a project agree.

    Attributes:
        type: the task type.
        primary: name of the measure that a threshold should be set on.
        items: how many items have a label.
        shared: how many have labels of two annotators or more; only these say anything about agreement.
        annotators: number of labelled items by annotator.
        overall: figures by measure.
        labels: figures by label and measure.
        pairs: figures by pair of annotators and measure.
        periods: figures by week (2026-W05) or month (2026-02) in which an item's last label was made, and measure.
        gold: figures by annotator and measure, against the gold items that the annotator labelled.
        reliability: by annotator, how far they can be trusted; measured on gold items where there are enough.
    """

    type: str
    primary: str
    items: int
    shared: int
    annotators: dict[str, int]
    overall: Figures
    labels: dict[str, Figures] = field(default_factory=dict)
    pairs: dict[tuple[str, str], Figures] = field(default_factory=dict)
    periods: dict[str, Figures] = field(default_factory=dict)
    gold: dict[str, Figures] = field(default_factory=dict)
    reliability: dict[str, Reliability] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON values; what is undefined is null with its reason."""
        return {
            "type": self.type,
            "primary": self.primary,
            "items": self.items,
            "shared": self.shared,
            "annotators": self.annotators,
            "overall": _json(self.overall),
            "labels": {name: _json(own) for name, own in self.labels.items()},
            "pairs": [{"annotators": list(pair), "measures": _json(own)} for pair, own in self.pairs.items()],
            "periods": {name: _json(own) for name, own in self.periods.items()},
            "gold": {name: _json(own) for name, own in self.gold.items()},
            "reliability": {name: asdict(own) for name, own in self.reliability.items()},
        }


@dataclass(frozen=True)
class _Kind:
    """The measures of one task type."""

    primary: str
    overall: Callable[[Sequence[Item]], Figures]
    by_label: Callable[[Sequence[Item]], dict[str, Figures]]


def agreement_report(
    labels: Iterable[LabelledText],
    type: str,
    *,
    gold: Mapping[str, Label] | None = None,
    period: Period = "week",
    multiple: bool = False,
    order: Sequence[str] | None = None,
) -> AgreementReport:
    """Measure how far annotators agree.

    The measures follow from the task alone (type, ``multiple``, ``order``) and never from the labels at hand: else the
    figure that a threshold is set on would change with the first text that gets two classes.

    Args:
        labels: current labels of one project.
        type: the task type, which decides on the measures (see docs/agreement.md).
        gold: the right label by item_id, of gold items.
        period: length of the periods of ``periods``.
        multiple: classification alone: whether a text may have several classes, or none.
        order: the classes from low to high, empty where they have no order; sentiment has one by default.

    Raises:
        NotFoundError: there is no such task type.
        InputError: a label is not of this type, or has several classes without ``multiple``; ``order`` lacks a class that is
            in use, or the task has no classes to be put in order.
    """
    label_type = _label_type(type)
    labels = list(labels)
    items = gather(labels)
    for item in items:
        item.of(label_type)
    measured = _against_gold(items, gold or {})
    kind = _kind(type, [*items, *(item for own in measured.values() for item in own)], multiple, order)
    shared = [item for item in items if len(item.labels) > 1]
    return AgreementReport(
        type=type,
        primary=kind.primary,
        items=len(items),
        shared=len(shared),
        annotators=dict(sorted(Counter(name for item in items for name in item.annotators).items())),
        overall=kind.overall(shared),
        labels=kind.by_label(shared),
        pairs={pair: kind.overall(own) for pair, own in _by_pair(shared).items()},
        periods={name: kind.overall(own) for name, own in _by_period(shared, period).items()},
        gold={name: kind.overall(own) for name, own in measured.items()},
        reliability=_reliability(items, gold_reliability(labels, gold or {}), measured, multiple),
    )


def _label_type(type: str) -> Any:
    if type not in LABEL_TYPES:
        raise NotFoundError(f"there is no task type {type!r}: known ones are {', '.join(LABEL_TYPES)}")
    return LABEL_TYPES[type]


def _kind(type: str, items: Sequence[Item], multiple: bool, order: Sequence[str] | None) -> _Kind:
    if order and (multiple or _label_type(type) is not Classes):
        raise InputError("only classes of which each text has one can have an order: leave it out")
    match type:
        case "entities":
            return _Kind("f1_exact", entity_figures, entity_label_figures)
        case "coreference":
            return _Kind("muc_f1", coreference_figures, lambda _: {})
        case "pos":
            return _Kind(
                "alpha",
                lambda own: nominal_figures(tag_units(own)) | token_figures(own),
                lambda own: nominal_label_figures(tag_units(own)),
            )
        case "prompt-response":
            return _Kind("token_f1", text_figures, lambda _: {})
    if multiple:
        return _Kind("alpha_masi", set_figures, set_label_figures)
    require_single(items)
    levels = _levels(type, items, order)
    return _Kind(
        "alpha",
        lambda own: nominal_figures(class_units(own, levels), ordered=bool(levels)),
        lambda own: nominal_label_figures(class_units(own, levels)),
    )


def _levels(type: str, items: Sequence[Item], order: Sequence[str] | None) -> Sequence[str]:
    """Return the classes from low to high, or nothing where they have no order."""
    order = (SENTIMENT if type == "sentiment" else ()) if order is None else order
    if not order:
        return ()
    used = {name for item in items for label in item.of(Classes) for name in label.labels}
    if missing := sorted(used - set(order)):
        raise InputError(f"the order of classes lacks {', '.join(missing)}: name every class that is in use, from low to high")
    return order


def _by_pair(items: Sequence[Item]) -> dict[tuple[str, str], list[Item]]:
    found: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in items:
        for pair in combinations(item.annotators, 2):
            found[pair].append(item.only(pair))
    return dict(sorted(found.items()))


def _by_period(items: Sequence[Item], period: Period) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        moment = item.finished_at
        form = "%G-W%V" if period == "week" else "%Y-%m"
        found[moment.strftime(form) if moment else UNDATED].append(item)
    return dict(sorted(found.items()))


def _against_gold(items: Sequence[Item], gold: Mapping[str, Label]) -> dict[str, list[Item]]:
    """Return, by annotator, the gold items that the annotator labelled, with the right answer as the second label."""
    found: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if item.item_id in gold:
            for entry in item.labels:
                right = replace(entry, annotator=GOLD, label=gold[item.item_id])
                found[entry.annotator].append(Item(item.item_id, (entry, right)))
    return dict(sorted(found.items()))


def _reliability(
    items: Sequence[Item], known: Mapping[str, float], measured: Mapping[str, Sequence[Item]], multiple: bool
) -> dict[str, Reliability]:
    """Estimate everybody's reliability; who labelled enough gold items has the one measured there."""
    found = judge(items, known, multiple=multiple).reliability
    return {name: Reliability(own.value, len(measured[name]), "gold") if name in known else own for name, own in found.items()}


def _json(found: Figures) -> dict[str, Any]:
    return {name: value.as_json() for name, value in found.items()}
