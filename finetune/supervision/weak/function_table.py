"""How much each labelling function covers, overlaps, contradicts others, and is right: the table to improve functions by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any

import numpy as np

from doyen.finetune.supervision.weak.functions import Marked
from doyen.finetune.supervision.weak.votes import ABSTAIN, Failure, Matrix, SeveralVotes, SpanVotes, Votes

Z95 = 1.959964


@dataclass(frozen=True)
class FunctionFigures:
    """What is known of one function.

    Attributes:
        labels: those that it gives.
        coverage: share of the texts (of spans: of the stretches that any function marks) on which it says something.
        overlap: share on which another function says something, too.
        conflict: share on which another one says something else.
        judged: votes of it on texts whose true label is known.
        accuracy: share of those that are right; None without any.
        low, high: the accuracy's 95% interval (Wilson).
        failures: texts on which it raised or said what nobody can use.
    """

    name: str
    labels: tuple[str, ...]
    coverage: float
    overlap: float
    conflict: float
    judged: int
    accuracy: float | None
    low: float | None
    high: float | None
    failures: int


def class_table(votes: Votes, gold: Mapping[str, str]) -> list[FunctionFigures]:
    """Return the figures of functions that vote on whole texts.

    Args:
        gold: item id → true label, for as many texts as have one.
    """
    truth = np.array([votes.labels.index(gold[item.id]) if item.id in gold else ABSTAIN for item in votes.items], dtype=int)
    given = [np.unique(own[own != ABSTAIN]) for own in votes.matrix.T]
    return _table(votes, votes.matrix[:, :, None], truth[:, None], given)


def several_table(votes: SeveralVotes, gold: Mapping[str, Collection[str]]) -> list[FunctionFigures]:
    """Return the figures of functions that say of each of several classes whether it applies.

    Two functions overlap, and conflict, where they speak of the same class of a text; each class that one speaks of is judged.

    Args:
        gold: item id → the classes that apply, for as many texts as that is known of.
    """
    truth = np.full((len(votes.items), len(votes.labels)), ABSTAIN)
    for row, item in enumerate(votes.items):
        if item.id in gold:
            truth[row] = [label in gold[item.id] for label in votes.labels]
    given = [np.flatnonzero((own != ABSTAIN).any(axis=0)) for own in votes.matrix.transpose(1, 0, 2)]
    return _table(votes, votes.matrix, truth, given)


def _table(votes: Votes | SeveralVotes, matrix: Matrix, truth: Matrix, given: Sequence[Matrix]) -> list[FunctionFigures]:
    """Return the figures of votes on decisions about each text.

    Args:
        matrix: (n texts, m functions, d decisions).
        truth: (n texts, d decisions), ``ABSTAIN`` where it is not known.
        given: for each function the labels that it gives, as places in ``votes.labels``.
    """
    rows = []
    for column, name in enumerate(votes.functions):
        own, others = matrix[:, column], np.delete(matrix, column, axis=1)
        spoke = own != ABSTAIN
        overlaps = spoke & (others != ABSTAIN).any(axis=1)
        conflicts = spoke & ((others != ABSTAIN) & (others != own[:, None])).any(axis=1)
        judged = spoke & (truth != ABSTAIN)
        right, cast = int((own[judged] == truth[judged]).sum()), int(judged.sum())
        shares = [found.any(axis=1).mean() for found in (spoke, overlaps, conflicts)]
        labels = tuple(votes.labels[label] for label in given[column])
        rows.append(_figures(name, labels, shares, right, cast, votes.failures))
    return rows


def span_table(votes: SpanVotes, gold: Mapping[str, Sequence[Marked]]) -> list[FunctionFigures]:
    """Return the figures of span functions: coverage, overlap and conflict by stretches, accuracy as precision.

    Two functions overlap where their stretches touch; they conflict where such stretches differ in place or label.
    """
    own: Counter[str] = Counter()
    overlaps: Counter[str] = Counter()
    conflicts: Counter[str] = Counter()
    right: Counter[str] = Counter()
    cast: Counter[str] = Counter()
    given: dict[str, set[str]] = {name: set() for name in votes.functions}
    stretches = 0
    for item, marked in zip(votes.items, votes.marked, strict=True):
        stretches += len({mark for marks in marked for mark in marks})
        for number, (name, marks) in enumerate(zip(votes.functions, marked, strict=True)):
            others = [mark for other, theirs in enumerate(marked) if other != number for mark in theirs]
            for mark in marks:
                touching = [other for other in others if other[0] < mark[1] and mark[0] < other[1]]
                own[name] += 1
                given[name].add(mark[2])
                overlaps[name] += bool(touching)
                conflicts[name] += any(other != mark for other in touching)
                if item.id in gold:
                    cast[name] += 1
                    right[name] += mark in gold[item.id]
    total = max(stretches, 1)
    return [
        _figures(
            name,
            tuple(label for label in votes.labels if label in given[name]),
            (own[name] / total, overlaps[name] / total, conflicts[name] / total),
            right[name],
            cast[name],
            votes.failures,
        )
        for name in votes.functions
    ]


def _figures(
    name: str,
    labels: tuple[str, ...],
    shares: Sequence[float],
    right: int,
    judged: int,
    failures: Sequence[Failure],
) -> FunctionFigures:
    failed = sum(failure.function == name for failure in failures)
    low, high = wilson(right, judged) if judged else (None, None)
    coverage, overlap, conflict = map(float, shares)
    return FunctionFigures(
        name, labels, coverage, overlap, conflict, judged, right / judged if judged else None, low, high, failed
    )


def wilson(right: float, total: int) -> tuple[float, float]:
    """Return the 95% interval of a share (Wilson, 1927), which stays within 0 and 1 for small totals, too."""
    share, spread = right / total, Z95**2 / total
    middle = (share + spread / 2) / (1 + spread)
    reach = Z95 / (1 + spread) * sqrt(share * (1 - share) / total + spread / (4 * total))
    return 0.0 if right == 0 else middle - reach, 1.0 if right == total else middle + reach


def table_text(rows: Sequence[FunctionFigures]) -> str:
    """Return the table for people."""
    width = max([len(row.name) for row in rows] + [8])
    lines = [f"{'function':<{width}}  coverage  overlap  conflict  accuracy (n)            failed  labels"]
    for row in rows:
        shares = f"{row.coverage:>8.1%} {row.overlap:>8.1%} {row.conflict:>9.1%}"
        labels = ", ".join(row.labels) or "none"
        lines.append(f"{row.name:<{width}}  {shares}  {known_share(row):<23} {row.failures:>6}  {labels}")
    return "\n".join(lines)


def known_share(row: FunctionFigures) -> str:
    """Return an accuracy with its interval for people."""
    if row.accuracy is None:
        return "not known"
    return f"{row.accuracy:.2f} [{row.low:.2f}, {row.high:.2f}] ({row.judged})"


def table_json(rows: Sequence[FunctionFigures]) -> list[dict[str, Any]]:
    """Return the table as JSON values."""
    return [asdict(row) for row in rows]
