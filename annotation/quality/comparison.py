"""What two labels of one text have in common, and on how many decisions they differ.

Counts are (hits, marked): what both marked, and what the one marked plus what the other marked; they add up over items, and
their F1 is ``2 * hits / marked``. Regions are compared by offsets, since ids carry no meaning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from doyen.annotation.quality.coefficients import Floats, Integers
from doyen.annotation.types.typed_labels import Classes, Coreference, Entities, PromptResponse, Region, Tags
from doyen.core.text import words

Place: TypeAlias = tuple[int, int]
Mark: TypeAlias = tuple[int, int, str]
Clusters: TypeAlias = list[frozenset[Place]]

NOTHING = "nothing"
BOUNDARY = 0.5
"""What spans of equal label count at least when only their boundaries differ; nearly 1 when they hardly touch."""


class Shared(NamedTuple):
    """What both marked, and what the one marked plus what the other marked."""

    hits: float
    marked: float

    @property
    def f1(self) -> float:
        """1 where neither marked anything: both said the same."""
        return 2 * self.hits / self.marked if self.marked else 1.0


def exact(first: Set[Any], second: Set[Any]) -> Shared:
    """Count what is the same in both, as spans with equal offsets and equal label."""
    return Shared(len(first & second), len(first) + len(second))


def overlapping(first: set[Mark], second: set[Mark]) -> Shared:
    """Count spans of equal label that share at least one character, each span matched at most once."""
    return Shared(len(pair_up(first, second)), len(first) + len(second))


def pair_up(first: set[Mark], second: set[Mark], *, any_label: bool = False) -> list[tuple[Mark, Mark]]:
    """Match spans one to one so that as many as possible overlap, the better fitting ones where there is a choice.

    Which of several equally good matchings is taken does not depend on the order of the two.
    """
    rows, columns = sorted(first), sorted(second)
    if not rows or not columns:
        return []
    if columns < rows:
        return [(mine, yours) for yours, mine in pair_up(second, first, any_label=any_label)]
    other_label = 0.5 if any_label else 0.0
    fit = np.array([[overlap(a, b) * (1 if a[2] == b[2] else other_label) for b in columns] for a in rows])
    # The number of matches counts first: one more match outweighs any difference in fit.
    worth = np.where(fit > 0, min(len(rows), len(columns)) + fit, 0)
    chosen = zip(*_best_assignment(worth), strict=True)
    return [(rows[i], columns[j]) for i, j in chosen if fit[i, j] > 0]


def overlap(first: Mark, second: Mark) -> float:
    """Return the shared characters of two spans by all their characters, from 0 to 1."""
    shared = min(first[1], second[1]) - max(first[0], second[0])
    return shared / (max(first[1], second[1]) - min(first[0], second[0])) if shared > 0 else 0.0


def marks(regions: Iterable[Region]) -> set[Mark]:
    """Return offsets and labels of regions."""
    return {(region.start, region.end, region.label) for region in regions}


def relation_marks(label: Entities) -> set[tuple[Mark, Mark, str]]:
    """Return relations by what they connect."""
    of = {region.id: (region.start, region.end, region.label) for region in label.regions}
    return {(of[r.head], of[r.tail], r.label) for r in label.relations if r.head in of and r.tail in of}


def places(tags: Tags) -> dict[Place, str]:
    """Return the tag of each token by its offsets."""
    return {(token.start, token.end): token.label for token in tags.regions}


def evidence(label: PromptResponse) -> set[int]:
    """Return the positions of the passage that are marked as evidence."""
    return {position for span in label.evidence for position in range(span.start, span.end)}


def clusters(label: Coreference) -> Clusters:
    """Return the clusters as sets of offsets; of two mentions at one place the first cluster's counts."""
    seen: set[Place] = set()
    found = []
    for chain in label.chains():
        if own := frozenset((mention.start, mention.end) for mention in chain) - seen:
            found.append(own)
            seen |= own
    return found


def muc(first: Clusters, second: Clusters) -> Shared:
    """Count links as MUC does (Vilain et al. 1995): a cluster of n mentions needs n - 1.

    The links that the one has in common with the other are the same number seen from either side, namely the mentions
    that both have less the groups into which both clusterings together part them. A mention that stands alone has none.
    """
    of = {place: number for number, members in enumerate(second) for place in members}
    common = sum(len(members & of.keys()) for members in first)
    groups = sum(len({of[place] for place in members if place in of}) for members in first)
    return Shared(common - groups, sum(len(members) - 1 for members in [*first, *second]))


def ceaf_e(first: Clusters, second: Clusters) -> Shared:
    """Count aligned clusters as entity-based CEAF does (Luo 2005): each with at most one, by their shared mentions.

    A pair of clusters counts 2 × shared by the sum of their sizes (phi 4); the alignment of the greatest sum is taken.
    """
    if not first or not second:
        return Shared(0, len(first) + len(second))
    worth = np.array([[exact(mine, yours).f1 for yours in second] for mine in first])
    return Shared(float(worth[_best_assignment(worth)].sum()), len(first) + len(second))


def jaccard(first: Iterable[str], second: Iterable[str]) -> float:
    """Return the shared labels of two sets by all their labels; 1 for two empty sets."""
    mine, yours = set(first), set(second)
    return len(mine & yours) / len(mine | yours) if mine or yours else 1.0


def masi(first: Iterable[str], second: Iterable[str]) -> float:
    """Return Passonneau's MASI similarity (LREC 2006): Jaccard, less where neither set contains the other."""
    mine, yours = set(first), set(second)
    if mine == yours:
        return 1.0
    return jaccard(mine, yours) * (2 / 3 if mine <= yours or yours <= mine else 1 / 3)


def token_f1(first: str, second: str) -> float:
    """Return the F1 of shared words, each as often as it stands in both (SQuAD, arXiv 1606.05250); 1 for two empty texts."""
    mine, yours = Counter(words(first)), Counter(words(second))
    return Shared((mine & yours).total(), mine.total() + yours.total()).f1


def rouge_l(first: str, second: str) -> float:
    """Return ROUGE-L's F measure (Lin 2004): the longest common sequence of words, unstemmed; 1 for two empty texts."""
    from rapidfuzz.distance import LCSseq

    mine, yours = words(first), words(second)
    return Shared(LCSseq.similarity(mine, yours), len(mine) + len(yours)).f1


@dataclass(frozen=True)
class Difference:
    """How two labels differ.

    Attributes:
        decisions: how many decisions the text asked for.
        apart: on how many of them the labels differ; parts of one where they nearly agree.
        confusions: what the one said where the other said something else, in alphabetical order.
    """

    decisions: float
    apart: float
    confusions: tuple[tuple[str, str], ...] = ()

    @property
    def agreement(self) -> float:
        """From 0 to 1; 1 where there was nothing to decide."""
        return 1 - self.apart / self.decisions if self.decisions else 1.0


def differing_classes(first: Classes, second: Classes) -> Difference:
    """Compare sets of classes: one decision."""
    apart = 1 - jaccard(first.labels, second.labels)
    mine, yours = (", ".join(sorted(set(label.labels))) or NOTHING for label in (first, second))
    return Difference(1, apart, (_confusion(mine, yours),) if apart else ())


def differing_entities(first: Entities, second: Entities) -> Difference:
    """Compare entities and relations: a decision on each."""
    mine, yours = marks(first.regions), marks(second.regions)
    same = mine & yours
    pairs = pair_up(mine - same, yours - same, any_label=True)
    apart = sum(1.0 if a[2] != b[2] else BOUNDARY + (1 - BOUNDARY) * (1 - overlap(a, b)) for a, b in pairs)
    alone = (mine ^ yours) - {mark for pair in pairs for mark in pair}
    related = [relation_marks(label) for label in (first, second)]
    return Difference(
        len(same) + len(pairs) + len(alone) + len(related[0] | related[1]),
        apart + len(alone) + len(related[0] ^ related[1]),
        tuple(sorted([*(_confusion(a[2], b[2]) for a, b in pairs), *(_confusion(mark[2], NOTHING) for mark in alone)])),
    )


def differing_clusters(first: Coreference, second: Coreference) -> Difference:
    """Compare mentions, and the links between them."""
    mine, yours = marks(first.regions), marks(second.regions)
    own, other = clusters(first), clusters(second)
    links = max(sum(len(members) - 1 for members in found) for found in (own, other))
    return Difference(len(mine | yours) + links, len(mine ^ yours) + links - muc(own, other).hits)


def differing_tags(first: Tags, second: Tags) -> Difference:
    """Compare the tags of tokens: a decision on each."""
    mine, yours = places(first), places(second)
    everywhere = mine.keys() | yours.keys()
    apart = [(mine.get(place, NOTHING), yours.get(place, NOTHING)) for place in everywhere]
    confusions = sorted(_confusion(a, b) for a, b in apart if a != b)
    return Difference(len(everywhere), len(confusions), tuple(confusions))


def differing_answers(first: PromptResponse, second: PromptResponse) -> Difference:
    """Compare answers: one decision on the answer, one on the evidence, one on the rating, as far as anybody gave them."""
    decisions, apart = 1, 1.0
    if first.answerable == second.answerable:
        apart = 1 - token_f1(first.response, second.response)
    proof = exact(evidence(first), evidence(second))
    if proof.marked:
        decisions, apart = decisions + 1, apart + 1 - proof.f1
    if first.rating is not None and second.rating is not None:
        decisions, apart = decisions + 1, apart + abs(first.rating - second.rating) / 4
    return Difference(decisions, apart)


def _best_assignment(worth: Floats) -> tuple[Integers, Integers]:
    """Return rows and columns, each used at most once, whose worths add up to the most."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(worth, maximize=True)
    return rows, columns


def _confusion(first: str, second: str) -> tuple[str, str]:
    return (first, second) if first <= second else (second, first)
