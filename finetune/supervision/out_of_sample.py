"""How likely labels are to models that have not seen them: cross-validation, and cleanlab's measures of label quality.

Confident learning (Northcutt et al., arXiv 1911.00068) goes by probabilities of models that were trained on other texts. All
labels of one text, and of texts that say the same, are in one fold.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from doyen.finetune.supervision.learners import Features, Floats, Learner, OneClass, SeveralClasses, Tagged, Whole


@dataclass(frozen=True)
class Judged:
    """What models that had not seen a label say of it.

    Attributes:
        quality: of each label, ``(n,)``, from 0 to 1: the lower, the likelier it is wrong.
        probabilities: of each label's text, ``(rows, decisions, options)`` in one piece for each.
        options: what is decided among.
    """

    quality: Floats
    probabilities: list[Floats]
    options: tuple[str, ...]


def judge_labels(
    learner: Learner, features: Features, targets: Sequence[Any], groups: Sequence[Hashable], folds: int, seed: int
) -> Judged:
    """Return the quality of each label by cross-validation.

    Args:
        groups: what each label is about; labels of one group are never on both sides.

    Raises:
        ValueError: there are fewer than two groups, or the labels do not differ.
    """
    options = _options(learner, targets)
    held_out = _folds(groups, folds, seed)
    found: list[Any] = [None] * len(targets)
    for fold in range(held_out.max() + 1):
        rest, own = np.flatnonzero(held_out != fold), np.flatnonzero(held_out == fold)
        model = learner.fit(features.take(rest), [targets[row] for row in rest])
        if model is None:
            raise ValueError("the labels do not differ")
        part = features.take(own)
        aligned = _aligned(model.probabilities(part.rows), model.options, options, paired=isinstance(learner, SeveralClasses))
        for row, probabilities in zip(own, part.split(aligned), strict=True):
            found[row] = probabilities
    return Judged(_quality(learner, targets, found, options), found, options)


def _folds(groups: Sequence[Hashable], folds: int, seed: int) -> Whole:
    """Return the fold of each label: groups are dealt out in random order."""
    names = list(dict.fromkeys(groups))
    if len(names) < 2:
        raise ValueError("labels of one text alone cannot be judged")
    order = np.random.default_rng(seed).permutation(len(names))
    fold_of = dict(zip(names, (order % min(folds, len(names))).tolist(), strict=True))
    return np.array([fold_of[group] for group in groups], np.int64)


def _options(learner: Learner, targets: Sequence[Any]) -> tuple[str, ...]:
    names = set(targets) if isinstance(learner, OneClass) else {name for target in targets for name in target}
    return tuple(sorted(names))


def _aligned(probabilities: Floats, known: Sequence[str], options: Sequence[str], *, paired: bool) -> Floats:
    """Return probabilities over all options: what a fold has never seen gets next to nothing."""
    place = {name: column for column, name in enumerate(options)}
    columns = [place[name] for name in known]
    if paired:
        every = np.tile(np.array([1, 0], np.float32), (len(probabilities), len(options), 1))
        every[:, columns] = probabilities
        return every
    every = np.full((*probabilities.shape[:-1], len(options)), 1e-6, np.float32)
    every[..., columns] = probabilities
    return every / every.sum(axis=-1, keepdims=True)


def _quality(learner: Learner, targets: Sequence[Any], found: Sequence[Floats], options: Sequence[str]) -> Floats:
    """Return cleanlab's label quality of each label."""
    number = {name: place for place, name in enumerate(options)}
    if isinstance(learner, OneClass):
        from cleanlab.rank import get_label_quality_scores

        given = np.array([number[target] for target in targets])
        scores = get_label_quality_scores(given, np.concatenate(found)[:, 0], method="self_confidence")
    elif isinstance(learner, SeveralClasses):
        from cleanlab.multilabel_classification import get_label_quality_scores as get_multilabel_scores

        several = [[number[name] for name in sorted(target)] for target in targets]
        scores = get_multilabel_scores(several, np.concatenate(found)[..., 1])
    elif isinstance(learner, Tagged):
        scores = [_sentence_quality(own[:, 0], [number[tag] for tag in tags]) for own, tags in zip(found, targets, strict=True)]
    else:
        raise TypeError(f"labels of {type(learner).__name__} cannot be judged")
    return np.asarray(scores, np.float32)


def _sentence_quality(probabilities: Floats, tags: Sequence[int]) -> float:
    """Return the quality of the worst token; 1 of a text without tokens."""
    if not tags:
        return 1.0
    from cleanlab.token_classification.rank import get_label_quality_scores

    scores, _ = get_label_quality_scores([list(tags)], [probabilities])
    return float(scores[0])
