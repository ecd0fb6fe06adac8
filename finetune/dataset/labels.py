"""Cleaning of labelled pairs before they become a dataset: what is left out or changed, step by step, with the reasons."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from doyen.core.records import Pair, Question
from doyen.core.settings import DatasetSettings
from doyen.core.text import normalise
from doyen.finetune.dataset.filters import filter_pairs, strip_boilerplate
from doyen.finetune.dataset.missing_values import fill_missing
from doyen.finetune.dataset.personal_data import mask_personal_data
from doyen.finetune.gold_passages import SourceDocument, evidence_problem
from doyen.finetune.similarity import near_duplicate_pairs, request_words, same_answer


@dataclass
class Cleaned:
    """Pairs that are fit for training, and what became of the others.

    Attributes:
        pairs: in the order of their ids in the input.
        dropped: ``{"id", "step", "reason"}`` for each pair that was left out.
        disagreements: ``{"pairs", "kept", "responses", "rule"}`` for each item that annotators answered differently.
        missing: ``{"field", "rows", "rule"}`` for each kind of missing value.
        masked: ``{"row", "field", "kind"}`` for each piece of personal data, without the piece itself.
        notes: other sentences for the report.
    """

    pairs: list[Pair]
    dropped: list[dict[str, str]] = field(default_factory=list)
    disagreements: list[dict[str, Any]] = field(default_factory=list)
    missing: list[dict[str, Any]] = field(default_factory=list)
    masked: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def drop(self, step: str, reasons: Mapping[str, str]) -> None:
        """Leave out the pairs whose ids ``reasons`` names."""
        out = [pair.id for pair in self.pairs if pair.id in reasons]
        self.dropped += [{"id": name, "step": step, "reason": reasons[name]} for name in out]
        self.pairs = [pair for pair in self.pairs if pair.id not in reasons]


def clean_pairs(
    pairs: Sequence[Pair],
    documents: dict[str, SourceDocument],
    frozen: Sequence[Question],
    recipe: DatasetSettings,
    parts: Mapping[str, str],
    deleted: Mapping[str, str],
) -> Cleaned:
    """Leave out what cannot, must not or is not to be trained on, step by step.

    Args:
        parts: part of each pair by its id, where parts were given: repeats in different ones are leaks, not to be hidden.
        deleted: why, by id, for pairs whose document was deleted.
    """
    cleaned = Cleaned(list(pairs))
    cleaned.drop("deleted document", deleted)
    cleaned.drop("frozen", _asked_by_frozen(cleaned.pairs, frozen))
    cleaned.drop("evidence", {pair.id: why for pair in cleaned.pairs if (why := evidence_problem(pair, documents))})
    fill_missing(cleaned, documents, recipe)
    strip_boilerplate(cleaned, recipe)
    filter_pairs(cleaned, recipe)
    mask_personal_data(cleaned, recipe)
    cleaned.drop("repeat", _repeats(cleaned.pairs, parts))
    reasons, cleaned.disagreements = _resolve_disagreements(cleaned.pairs, parts)
    cleaned.drop("disagreement", reasons)
    if recipe.near_duplicates == "drop":
        cleaned.drop("near-duplicate", _near_repeats(cleaned.pairs))
    return cleaned


def _asked_by_frozen(pairs: Sequence[Pair], frozen: Sequence[Question]) -> dict[str, str]:
    hits = near_duplicate_pairs([request_words(pair) for pair in pairs], [request_words(question) for question in frozen])
    return {pairs[i].id: f"its prompt is nearly the frozen question {frozen[j].id!r}" for i, j in reversed(hits)}


def _item(pair: Pair, parts: Mapping[str, str]) -> tuple[str, ...]:
    """Return what makes two pairs labels of the same item: the same question in the same conversation, in one part."""
    return (parts.get(pair.id, "train"), normalise(pair.prompt), *(normalise(turn.content) for turn in pair.history))


def _repeats(pairs: Sequence[Pair], parts: Mapping[str, str]) -> dict[str, str]:
    first: dict[tuple[str, ...], str] = {}
    reasons: dict[str, str] = {}
    for pair in pairs:
        key = (*_item(pair, parts), normalise(pair.response), pair.source or "")
        kept = first.setdefault(key, pair.id)
        if kept != pair.id:
            reasons[pair.id] = f"it repeats {kept!r}"
    return reasons


def _near_repeats(pairs: Sequence[Pair]) -> dict[str, str]:
    prompts = [request_words(pair) for pair in pairs]
    reasons: dict[str, str] = {}
    for i, j in near_duplicate_pairs(prompts, prompts):
        first, later = pairs[min(i, j)], pairs[max(i, j)]
        if i != j and first.id not in reasons and same_answer(first.response, later.response):
            reasons.setdefault(later.id, f"it nearly repeats {first.id!r}")
    return reasons


def _resolve_disagreements(pairs: Sequence[Pair], parts: Mapping[str, str]) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Among labels of one item, keep the answer that most labels give; at a tie the one that was labelled first."""
    items: dict[tuple[str, ...], list[Pair]] = defaultdict(list)
    for pair in pairs:
        items[_item(pair, parts)].append(pair)
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
