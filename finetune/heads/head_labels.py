"""From a head's probabilities to labels, with how sure it is of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from doyen.annotation.types.typed_labels import Classes, Entities, Label, Region, Tags
from doyen.finetune.heads.head import Scored
from doyen.finetune.heads.head_config import HeadConfig, HeadType
from doyen.finetune.supervision.learners import decode, entity_spans


@dataclass(frozen=True)
class ClassScore:
    """A class with its probability."""

    label: str
    score: float


@dataclass(frozen=True)
class Entity:
    """A marked stretch of a text: ``text[start:end]``; of part-of-speech tags a token.

    Attributes:
        score: the least probability of its words' tags.
    """

    start: int
    end: int
    label: str
    text: str
    score: float


def ranked_classes(config: HeadConfig, scored: Scored) -> list[ClassScore]:
    """Return all classes, the most probable first."""
    order = np.argsort(-scored.probabilities, kind="stable")
    return [ClassScore(config.options[n], round(float(scored.probabilities[n]), 6)) for n in order]


def chosen_classes(config: HeadConfig, scored: Scored) -> list[str]:
    """Return the class that a text has; of several those that are more probable than not, in the task's order."""
    if config.type == HeadType.MULTI_LABEL:
        return [name for name, share in zip(config.options, scored.probabilities, strict=True) if share > 0.5]
    return [config.options[int(scored.probabilities.argmax())]]


def marked(config: HeadConfig, scored: Scored) -> list[Entity]:
    """Return the entities of a text, or its tokens with their tags, in order."""
    if not len(scored.words):
        return []
    if config.type == HeadType.POS:
        best = scored.probabilities.argmax(axis=1)
        spans = [(n, n + 1, config.options[tag]) for n, tag in enumerate(best)]
        tags: Sequence[str] = [config.options[tag] for tag in best]
    else:
        tags = decode(scored.probabilities, config.options)
        spans = sorted(entity_spans(tags))
    place = {name: n for n, name in enumerate(config.options)}
    own = scored.probabilities[np.arange(len(tags)), [place[tag] for tag in tags]]
    found = []
    for first, behind, label in spans:
        start, end = scored.words[first][0], scored.words[behind - 1][1]
        found.append(Entity(start, end, label, scored.text[start:end], round(float(own[first:behind].min()), 6)))
    return found


def label_of(config: HeadConfig, scored: Scored) -> tuple[Label, float]:
    """Return a text as its label, and how sure the head is of the least sure decision in it, 0 to 1."""
    if not config.type.of_words:
        shares = scored.probabilities
        sure = np.maximum(shares, 1 - shares).min() if config.type == HeadType.MULTI_LABEL else shares.max()
        return Classes(tuple(chosen_classes(config, scored))), round(float(sure), 4)
    entities = marked(config, scored)
    regions = tuple(Region(str(n), each.start, each.end, each.label) for n, each in enumerate(entities, start=1))
    sure = float(scored.probabilities.max(axis=1).min()) if len(scored.words) else 1.0
    return (Tags if config.type == HeadType.POS else Entities)(regions), round(sure, 4)
