"""Agreement computed anew by other means: scikit-learn, krippendorff, networkx, and the papers' own words turned into loops."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import permutations
from typing import Any

import krippendorff
import networkx as nx
import numpy as np
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score

from doyen.annotation.types.typed_labels import Coreference, Entities, Tags

Codes = list[list[str]]
"""Answers by annotator, aligned."""


def nominal(answers: Codes) -> dict[str, float]:
    """Return the figures of two annotators' answers."""
    first, second = answers
    return {
        "agreement": accuracy_score(first, second),
        "cohen_kappa": cohen_kappa_score(first, second),
        "alpha": alpha(answers),
        "fleiss_kappa": fleiss(answers),
    }


def alpha(answers: Codes) -> float:
    """Krippendorff's alpha by the package that bears his name."""
    code = {answer: number for number, answer in enumerate(sorted({a for own in answers for a in own}))}
    return float(krippendorff.alpha([[code[a] for a in own] for own in answers], level_of_measurement="nominal"))


def fleiss(answers: Codes) -> float:
    """Fleiss (1971), equations 1 to 7, in loops."""
    units, raters = list(zip(*answers, strict=True)), len(answers)
    labels = sorted({a for own in answers for a in own})
    share = {label: sum(unit.count(label) for unit in units) / (len(units) * raters) for label in labels}
    extent = [sum(unit.count(label) * (unit.count(label) - 1) for label in labels) / (raters * (raters - 1)) for unit in units]
    observed, chance = sum(extent) / len(extent), sum(part**2 for part in share.values())
    return (observed - chance) / (1 - chance)


def label_alphas(answers: Codes) -> dict[str, float]:
    """Alpha of each label against all others."""
    labels = sorted({a for own in answers for a in own})
    return {label: alpha([["yes" if a == label else "no" for a in own] for own in answers]) for label in labels}


def spans(pairs: Sequence[tuple[Entities, Entities]], label: str | None = None) -> dict[str, float]:
    """F1 of spans: scikit-learn on who marked which, and a maximum matching by networkx for overlaps."""
    mine: list[int] = []
    yours: list[int] = []
    matched = 0
    for first, second in pairs:
        a, b = (_marks(own, label) for own in (first, second))
        for mark in sorted(a | b):
            mine.append(int(mark in a))
            yours.append(int(mark in b))
        graph = nx.Graph()
        graph.add_nodes_from((0, mark) for mark in a)
        graph.add_edges_from(((0, x), (1, y)) for x in a for y in b if x[2] == y[2] and max(x[0], y[0]) < min(x[1], y[1]))
        matched += len(nx.bipartite.maximum_matching(graph, [(0, mark) for mark in a])) // 2
    return {"f1_exact": float(f1_score(mine, yours)), "f1_overlap": 2 * matched / (sum(mine) + sum(yours))}


def coreference(pairs: Sequence[tuple[Coreference, Coreference]]) -> dict[str, float]:
    """MUC with partitions as Vilain et al. define them, CEAF-e by trying every alignment, mentions by scikit-learn."""
    recall, precision, aligned, total = [0, 0], [0, 0], 0.0, 0
    mine: list[int] = []
    yours: list[int] = []
    for first, second in pairs:
        key, response = _sets(first), _sets(second)
        for sums, one, other in ((recall, key, response), (precision, response, key)):
            for members in one:
                parts = [members & cluster for cluster in other if members & cluster]
                missing = len(members) - sum(map(len, parts))
                sums[0] += len(members) - (len(parts) + missing)
                sums[1] += len(members) - 1
        aligned += _best_alignment(key, response)
        total += len(key) + len(response)
        a, b = ({(m.start, m.end, m.label) for m in own.regions} for own in (first, second))
        mine += [int(mark in a) for mark in sorted(a | b)]
        yours += [int(mark in b) for mark in sorted(a | b)]
    r, p = recall[0] / recall[1], precision[0] / precision[1]
    return {
        "muc_f1": 2 * p * r / (p + r),
        "ceaf_e_f1": 2 * aligned / total,
        "mention_f1": float(f1_score(mine, yours)),
    }


def tags(pairs: Sequence[tuple[Tags, Tags]]) -> Codes:
    """Return two annotators' tags of the tokens that both have."""
    found: Codes = [[], []]
    for first, second in pairs:
        a, b = ({(t.start, t.end): t.label for t in own.regions} for own in (first, second))
        for place in sorted(a.keys() & b.keys()):
            found[0].append(a[place])
            found[1].append(b[place])
    return found


def _marks(label: Entities, name: str | None) -> set[tuple[int, int, str]]:
    return {(r.start, r.end, r.label) for r in label.regions if name is None or r.label == name}


def _sets(label: Coreference) -> list[set[tuple[int, int]]]:
    place = {mention.id: (mention.start, mention.end) for mention in label.regions}
    return [{place[member] for member in members} for members in label.clusters()]


def _best_alignment(key: Sequence[set[Any]], response: Sequence[set[Any]]) -> float:
    short, long = sorted((key, response), key=len)
    return max((sum(map(_phi4, short, chosen)) for chosen in permutations(long, len(short))), default=0.0)


def _phi4(first: set[Any], second: set[Any]) -> float:
    return 2 * len(first & second) / (len(first) + len(second))


def greatest_gap(ours: dict[str, float], theirs: dict[str, float], names: Iterable[str] | None = None) -> float:
    """Return the greatest absolute difference between figures of one name; two NaN are equal."""
    gaps = [0.0]
    for name in names or theirs:
        both_nan = np.isnan(ours[name]) and np.isnan(theirs[name])
        gaps.append(0.0 if both_nan else abs(ours[name] - theirs[name]))
    return float(np.max(gaps)) if not np.isnan(gaps).any() else float("inf")
