"""How well retrieval finds the evidence, apart from any model: recall@k, nDCG@10 and MRR.

A question's evidence quotes are what there is to find. The first passage that holds a quote is relevant for it; later
passages that repeat the quote (overlapping chunks) add nothing. Quotes that no passage holds count as relevant
passages that were not found, so that nDCG's ideal is the same for every retriever as far as that can be known.

Sources: Järvelin & Kekäläinen 2002 (nDCG, binary gains, log2 discount), Voorhees 1999 (MRR). Checked against trec_eval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from doyen.core.answers import Passage
from doyen.core.records import Question
from doyen.eval.evidence_overlap import evidence_in

DEPTH = 10
"""Passages looked at."""


def score_ranking(question: Question, passages: Sequence[Passage]) -> dict[str, float]:
    """Return recall@1, recall@5, ndcg@10 and mrr of one ranking.

    Args:
        question: with at least one evidence quote.
        passages: best first.
    """
    found = first_ranks(question, passages[:DEPTH])
    quotes = len(question.evidence)
    return {
        "recall@1": _recall(found, quotes, 1),
        "recall@5": _recall(found, quotes, 5),
        "ndcg@10": _ndcg(found, quotes),
        "mrr": 1 / min(found.values()) if found else 0.0,
    }


def first_ranks(question: Question, passages: Sequence[Passage]) -> dict[int, int]:
    """Return, for each evidence quote that is found, the rank (from 1) of the first passage that holds it."""
    ranks: dict[int, int] = {}
    for rank, passage in enumerate(passages, start=1):
        for number in evidence_in(question, passage):
            ranks.setdefault(number, rank)
    return ranks


def _recall(found: dict[int, int], quotes: int, k: int) -> float:
    return sum(rank <= k for rank in found.values()) / quotes


def _ndcg(found: dict[int, int], quotes: int) -> float:
    relevant = sorted(set(found.values()))
    ideal = len(relevant) + quotes - len(found)
    gain = sum(1 / math.log2(rank + 1) for rank in relevant)
    return gain / sum(1 / math.log2(rank + 1) for rank in range(1, min(ideal, DEPTH) + 1))
