"""Cleaning of labelled pairs before they become a dataset: repeats, disagreements, broken evidence, frozen questions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from doyen.core.records import Pair, Question
from doyen.core.text import normalise
from doyen.finetune.gold_passages import SourceDocument, evidence_problem
from doyen.finetune.similarity import near_duplicate_pairs, request_words, same_answer


@dataclass
class Cleaned:
    """Pairs that are fit for training, and what became of the others.

    Attributes:
        pairs: in the order of their ids in the input.
        dropped: ``{"id", "step", "reason"}`` for each pair that was left out.
        disagreements: ``{"pairs", "kept", "responses", "rule"}`` for each item that annotators answered differently.
    """

    pairs: list[Pair]
    dropped: list[dict[str, str]] = field(default_factory=list)
    disagreements: list[dict[str, Any]] = field(default_factory=list)

    def drop(self, step: str, reasons: dict[str, str]) -> None:
        """Leave out the pairs whose ids ``reasons`` names."""
        out = [pair.id for pair in self.pairs if pair.id in reasons]
        self.dropped += [{"id": name, "step": step, "reason": reasons[name]} for name in out]
        self.pairs = [pair for pair in self.pairs if pair.id not in reasons]


def clean_pairs(pairs: Sequence[Pair], documents: dict[str, SourceDocument], frozen: Sequence[Question]) -> Cleaned:
    """Leave out what cannot or must not be trained on, step by step."""
    cleaned = Cleaned(list(pairs))
    cleaned.drop("frozen", _asked_by_frozen(cleaned.pairs, frozen))
    cleaned.drop("evidence", {pair.id: why for pair in cleaned.pairs if (why := evidence_problem(pair, documents))})
    cleaned.drop("repeat", _repeats(cleaned.pairs))
    reasons, cleaned.disagreements = _resolve_disagreements(cleaned.pairs)
    cleaned.drop("disagreement", reasons)
    return cleaned


def _asked_by_frozen(pairs: Sequence[Pair], frozen: Sequence[Question]) -> dict[str, str]:
    hits = near_duplicate_pairs([request_words(pair) for pair in pairs], [request_words(question) for question in frozen])
    return {pairs[i].id: f"its prompt is nearly the frozen question {frozen[j].id!r}" for i, j in reversed(hits)}


def _item(pair: Pair) -> tuple[str, ...]:
    """Return what makes two pairs labels of the same item: the same question in the same conversation."""
    return (normalise(pair.prompt), *(normalise(turn.content) for turn in pair.history))


def _repeats(pairs: Sequence[Pair]) -> dict[str, str]:
    first: dict[tuple[str, ...], str] = {}
    reasons: dict[str, str] = {}
    for pair in pairs:
        key = (*_item(pair), normalise(pair.response), pair.source or "")
        kept = first.setdefault(key, pair.id)
        if kept != pair.id:
            reasons[pair.id] = f"it repeats {kept!r}"
    return reasons


def _resolve_disagreements(pairs: Sequence[Pair]) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Among labels of one item, keep the answer that most labels give; at a tie the one that was labelled first."""
    items: dict[tuple[str, ...], list[Pair]] = defaultdict(list)
    for pair in pairs:
        items[_item(pair)].append(pair)
    reasons: dict[str, str] = {}
    disagreements: list[dict[str, Any]] = []
    for labels in items.values():
        labels.sort(key=lambda pair: (pair.created_at or "", pair.id))
        camps: list[list[Pair]] = []
        for pair in labels:
            camp = next((camp for camp in camps if same_answer(camp[0].response, pair.response)), None)
            if camp is None:
                camps.append([pair])
            else:
                camp.append(pair)
        if len(camps) < 2:
            continue
        sizes = sorted((len(camp) for camp in camps), reverse=True)
        winners = max(camps, key=len)
        rule = "majority" if sizes[0] > sizes[1] else "first label, at a tie"
        lost = [pair.id for camp in camps if camp is not winners for pair in camp]
        reasons |= dict.fromkeys(lost, f"annotators disagree; {winners[0].id!r} was kept by {rule}")
        disagreements.append(
            {
                "pairs": [pair.id for pair in labels],
                "kept": [pair.id for pair in winners],
                "responses": {pair.annotator or pair.id: pair.response for pair in labels},
                "rule": rule,
            }
        )
    return reasons, disagreements
