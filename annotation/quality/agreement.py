"""How far annotators agree: overall, on each label, pair by pair, over time, and with gold items."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from typing import Any, Literal, TypeVar

from doyen.annotation.quality.aggregation import Reliability, aggregate, gold_reliability
from doyen.annotation.quality.agreement_figures import Figures
from doyen.annotation.quality.coefficients import Figure
from doyen.annotation.quality.labelled_items import Item, gather
from doyen.annotation.type_table import TASK_TYPES
from doyen.annotation.types.typed_labels import Label, LabelledText
from doyen.core.errors import NotFoundError

Period = Literal["week", "month"]
Key = TypeVar("Key", str, tuple[str, str])

GOLD = "\x00gold"
"""Stands for the known right answer among the annotators; no person's name begins with a NUL."""
UNDATED = "undated"
MOST_ROWS = 20
"""Labels that the tables show, those with the least agreement first; the report as JSON has all."""


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
        groups = {"labels": self.labels, "periods": self.periods, "gold": self.gold}
        return {
            "type": self.type,
            "primary": self.primary,
            "items": self.items,
            "shared": self.shared,
            "annotators": self.annotators,
            "overall": _json(self.overall),
            **{group: {name: _json(own) for name, own in found.items()} for group, found in groups.items()},
            "pairs": [{"annotators": list(pair), "measures": _json(own)} for pair, own in self.pairs.items()],
            "reliability": {name: asdict(own) for name, own in self.reliability.items()},
        }

    def as_text(self) -> str:
        """Return tables for people, one figure a line: value, 95% interval, items behind it, or why there is none."""
        people = ", ".join(f"{name} {count}" for name, count in self.annotators.items()) or "nobody"
        lines = [f"{self.items} items, {self.shared} of them labelled by two annotators or more ({people})."]
        lines += _table("Overall", {"": self.overall})
        lines += _table("By label, least agreement first", _worst(self.labels))
        if len(self.pairs) > 1:
            lines += _table("By pair of annotators", {f"{a} · {b}": own for (a, b), own in self.pairs.items()})
        if len(self.periods) > 1:
            lines += _table("Over time", {name: {self.primary: own[self.primary]} for name, own in self.periods.items()})
        lines += _table("Against gold items", self.gold)
        if self.reliability:
            lines += ["", "Reliability of annotators"]
            lines += [f"  {name:<30} {own.value:.3f} ({own.method})" for name, own in self.reliability.items()]
        return "\n".join(lines)


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
    entry = TASK_TYPES.get(type)
    if entry is None:
        raise NotFoundError(f"there is no task type {type!r}: known ones are {', '.join(TASK_TYPES)}")
    gold = gold or {}
    items = gather(labels)
    for item in items:
        item.of(entry.label)
    against_gold = _grouped(_with_right_answers(items, gold))
    measures = entry.measures([*items, *(item for own in against_gold.values() for item in own)], multiple, order)
    shared = [item for item in items if len(item.labels) > 1]
    pairs = ((a, b, item.item_id) for item in shared for a, b in combinations(item.labels, 2))
    by_pair = _grouped(((a.annotator, b.annotator), Item(uid, (a, b))) for a, b, uid in pairs)
    by_period = _grouped((_period(item, period), item) for item in shared)
    known = gold_reliability(items, gold)
    return AgreementReport(
        type=type,
        primary=measures.primary,
        items=len(items),
        shared=len(shared),
        annotators=dict(sorted(Counter(name for item in items for name in item.annotators).items())),
        overall=measures.overall(shared),
        labels=measures.by_label(shared),
        pairs={pair: measures.overall(own) for pair, own in by_pair.items()},
        periods={name: measures.overall(own) for name, own in by_period.items()},
        gold={name: measures.overall(own) for name, own in against_gold.items()},
        reliability={
            name: Reliability(own.value, len(against_gold[name]), "gold") if name in known else own
            for name, own in aggregate(items, known, multiple=multiple).reliability.items()
        },
    )


def _grouped(found: Iterable[tuple[Key, Item]]) -> dict[Key, list[Item]]:
    groups: dict[Key, list[Item]] = defaultdict(list)
    for key, item in found:
        groups[key].append(item)
    return dict(sorted(groups.items()))


def _period(item: Item, period: Period) -> str:
    moment = item.finished_at
    return moment.strftime("%G-W%V" if period == "week" else "%Y-%m") if moment else UNDATED


def _with_right_answers(items: Sequence[Item], gold: Mapping[str, Label]) -> Iterator[tuple[str, Item]]:
    """Yield (annotator, item) of the gold items that each labelled, with the right answer as the second label."""
    for item in items:
        if item.item_id in gold:
            for entry in item.labels:
                right = replace(entry, annotator=GOLD, label=gold[item.item_id])
                yield entry.annotator, Item(item.item_id, (entry, right))


def _json(found: Figures) -> dict[str, Any]:
    return {name: value.as_json() for name, value in found.items()}


def _worst(labels: Mapping[str, Figures]) -> dict[str, Figures]:
    """Return the labels with the lowest first measure; those where it is undefined come last."""

    def key(name: str) -> tuple[bool, float, str]:
        value = next(iter(labels[name].values())).value
        return value != value, value if value == value else 0.0, name

    return {name: labels[name] for name in sorted(labels, key=key)[:MOST_ROWS]}


def _table(title: str, rows: Mapping[str, Figures]) -> Iterator[str]:
    if not rows:
        return
    yield from ("", title)
    width = max(map(len, rows))
    for name, own in rows.items():
        for measure, found in own.items():
            yield f"  {name:<{width}}{' ' if width else ''}{measure:<20} {_described(found)}"


def _described(found: Figure) -> str:
    items = f"{found.items} item{'' if found.items == 1 else 's'}"
    if found.value != found.value:
        return f"  –   {found.reason} ({items})"
    between = f"[{found.low:.3f}, {found.high:.3f}]" if found.low == found.low else "no interval"
    return f"{found.value:6.3f} {between} on {items}"
