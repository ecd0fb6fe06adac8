"""What the manifest of a dataset tells: counts, what was left out and why, classes, where everything comes from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from doyen.core.records import Pair, Question
from doyen.finetune.dataset.balance import classes_of, is_classification
from doyen.finetune.dataset.labels import Cleaned
from doyen.finetune.dataset.replay import is_replayed
from doyen.finetune.gold_passages import SourceDocument
from doyen.finetune.split import Split

MOST_CLASSES = 200
"""Of more classes, only the number is told."""


def report_of(
    split: Split,
    cleaned: Cleaned,
    documents: Mapping[str, SourceDocument],
    pairs: Sequence[Pair],
    frozen: Sequence[Question],
) -> dict[str, Any]:
    """Return the parts of the manifest that describe the dataset."""
    near_groups = {source: document.near_group for source, document in documents.items()}
    trained = {near_groups[pair.source] for pair in split.train if pair.source}
    kept = [*split.train, *split.validation, *split.test]
    used = {pair.source for pair in kept if pair.source}
    return {
        "counts": {
            "given": len(pairs),
            "train": len(split.train),
            "validation": len(split.validation),
            "test": len(split.test),
            "dropped": dict(Counter(entry["step"] for entry in cleaned.dropped)),
            "disagreements": len(cleaned.disagreements),
            "unanswerable": sum(not pair.answerable for pair in cleaned.pairs),
            "documents": len(trained),
            "frozen": len(frozen),
            "frozen_on_trained_documents": sum(near_groups.get(question.source or "") in trained for question in frozen),
            "replay": sum(map(is_replayed, split.train)),
            "masked": len(cleaned.masked),
        },
        "classification": is_classification(cleaned.pairs),
        "classes": _classes(split),
        "annotators": dict(sorted(Counter(pair.annotator or "" for pair in kept).items())),
        "dates": _dates(kept),
        "dropped": cleaned.dropped,
        "disagreements": cleaned.disagreements,
        "missing": cleaned.missing,
        "masked": dict(sorted(Counter(entry["kind"] for entry in cleaned.masked).items())),
        "notes": cleaned.notes,
        "lineage": {
            source: {"document_id": documents[source].document_id, "version": documents[source].version}
            for source in sorted(used & documents.keys())
        },
        "near_groups": near_groups,
    }


def _classes(split: Split) -> dict[str, dict[str, int]]:
    """Return how many pairs of each class each part has; empty where there are too many classes to list."""
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    pairs = [pair for part in parts.values() for pair in part]
    names = iter(classes_of(pairs))
    counts = {part: Counter(next(names) for _ in members) for part, members in parts.items()}
    listed = sorted({name for count in counts.values() for name in count})
    return {name: {part: counts[part][name] for part in parts} for name in listed} if len(listed) <= MOST_CLASSES else {}


def _dates(pairs: Sequence[Pair]) -> list[str]:
    """Return the first and the last date of the labels; empty where none has one."""
    dates = sorted(pair.created_at for pair in pairs if pair.created_at)
    return [dates[0], dates[-1]] if dates else []
