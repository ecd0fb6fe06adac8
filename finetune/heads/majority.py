"""What a head must beat: the answer that is most often right without reading the text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from doyen.annotation.types.typed_labels import Classes, Entities, Label, Tags
from doyen.finetune.heads.head_config import HeadType


def majority_labels(kind: HeadType, trained: Sequence[Label], asked: Sequence[Label]) -> list[Label]:
    """Return the same answer to every text: the most frequent class, or tag; of entities none.

    Of several classes those that more than half of the texts have, else the most frequent one.

    Args:
        trained: labels of the texts that a head learns from.
        asked: those of the texts that are answered, for their number and, of tags, their tokens.
    """
    if kind == HeadType.ENTITIES:
        return [Entities()] * len(asked)
    counts = Counter(name for label in trained for name in _names(label))
    most = counts.most_common(1)[0][0] if counts else ""
    if kind == HeadType.POS:
        tags = [cast(Tags, label) for label in asked]
        return [Tags(tuple(replace(token, label=most) for token in each.regions)) for each in tags]
    usual = tuple(name for name, count in counts.items() if count > len(trained) / 2) if kind == HeadType.MULTI_LABEL else ()
    return [Classes(usual or (most,))] * len(asked)


def _names(label: Label) -> Sequence[str]:
    return label.labels if isinstance(label, Classes) else [region.label for region in label.stretches()]
