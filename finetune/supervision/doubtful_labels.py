"""``doyen label errors``: labels that are likely wrong, worst first, and back to people, as one sequence of steps."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from doyen.annotation import get_project, labelled_texts
from doyen.annotation.quality.disputes import Dispute
from doyen.annotation.store import task_type_of
from doyen.annotation.types.descriptions import TypeName
from doyen.annotation.types.tokenizer import tokenise
from doyen.annotation.types.typed_labels import LabelledText
from doyen.core.errors import InputError
from doyen.core.store import Store
from doyen.core.text import normalise
from doyen.core.workspace import Workspace
from doyen.finetune.supervision.active import TextEmbedder
from doyen.finetune.supervision.learners import Learner, OneClass, SeveralClasses, learner_for
from doyen.finetune.supervision.learnt_pairs import find_areas
from doyen.finetune.supervision.out_of_sample import Judged, judge_labels
from doyen.finetune.supervision.pair_doubts import doubt_pairs
from doyen.finetune.supervision.text_vectors import KnownVectors

LEAST_LABELS = 20
"""Labels below which cross-validation says nothing."""
NO_MARGINS = "no adapter was trained on these labels, so those that a training hardly learns are not among them"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Suspect:
    """A label that may be wrong.

    Attributes:
        quality: 0 to 1, the lower the likelier it is wrong.
        given: the label as a person reads it.
        reason: what speaks against it.
    """

    item_id: str
    text: str
    annotator: str
    quality: float
    given: str
    reason: str


@dataclass(frozen=True)
class AnnotatorDoubt:
    """How one annotator's labels fare.

    Attributes:
        labels: how many there are; ``suspects`` of them are among the worst.
        quality: the mean over the labels.
    """

    annotator: str
    labels: int
    suspects: int
    quality: float


@dataclass(frozen=True)
class ErrorReport:
    """The labels that are likeliest wrong.

    Attributes:
        labels: how many were judged.
        suspects: the worst, worst first.
        annotators: by name, those with the lowest mean quality first.
        notes: what could not be taken into account.
        sent: review tasks that are new, where the worst were sent; ``review`` is their project.
    """

    project: str
    labels: int
    suspects: list[Suspect]
    annotators: list[AnnotatorDoubt]
    notes: list[str] = field(default_factory=list)
    sent: int = 0
    review: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    def as_text(self, most: int = 20) -> str:
        """Return it for people, with the worst labels."""
        lines = [
            f"{len(self.suspects)} of {self.labels} labels of {self.project!r} are the likeliest to be wrong, the worst first:"
        ]
        for suspect in self.suspects[:most]:
            shown = " ".join(suspect.text.split())[:70]
            lines.append(f"  {suspect.quality:.3f}  {suspect.given[:60]}  ({suspect.annotator or UNKNOWN}): {shown}")
            lines.append(f"         {suspect.reason}")
        if len(self.suspects) > most:
            lines.append(f"  … and {len(self.suspects) - most} more (--json shows all)")
        people = (
            f"{who.annotator}: {who.suspects} of {who.labels} labels among them, mean quality {who.quality:.3f}"
            for who in self.annotators
        )
        return "\n".join([*lines, *people, *self.notes])


def find_label_errors(
    workspace: Workspace, store: Store, project: str, embedder: TextEmbedder, *, share: float | None = None
) -> ErrorReport:
    """Judge the labels of a project, and return the worst.

    Where a task was decided its decision is judged, else what each annotator said. An annotator's own quality weighs in where
    several people label: of two labels that a model doubts alike, the one of whoever is doubted more often is worse.

    Args:
        share: share of the labels that is returned; None takes the settings'.

    Raises:
        NotFoundError: there is no such project.
        InputError: there are too few labels, all are alike, or labels of the type cannot be judged.
    """
    settings = workspace.settings.supervision.errors
    description = task_type_of(get_project(store, project)).description
    labelled = list(labelled_texts(store, project))
    if description.type == TypeName.PROMPT_RESPONSE:
        areas, adapter = find_areas(workspace, store, labelled)
        doubts = doubt_pairs(labelled, areas)
        quality, reasons = np.array([doubt.quality for doubt in doubts]), [doubt.reason for doubt in doubts]
        told = f"the training of {adapter} says how well {len(areas)} of them are learnt" if adapter else NO_MARGINS
        notes = [f"Note: {told}."]
    else:
        known = KnownVectors(workspace.supervision_folder / project, embedder)
        learner = learner_for(description, embedder, known)
        if learner is None:
            raise InputError(f"labels of type {description.type} cannot be judged: there is no model of them")
        judged, targets = _judge(learner, labelled, settings.folds, settings.seed)
        quality = np.array(judged.quality, float)
        reasons = [_reason(learner, judged, row, targets[row], labelled[row].text) for row in range(len(labelled))]
        notes = []
    names = [label.annotator or UNKNOWN for label in labelled]
    worst = np.argsort(_weighed(quality, names), kind="stable")[
        : math.ceil(round((share or settings.share) * len(labelled), 6))
    ]
    suspects = [
        Suspect(
            labelled[row].item_id,
            labelled[row].text,
            labelled[row].annotator,
            round(float(quality[row]), 6),
            labelled[row].label.describe(labelled[row].text),
            reasons[row],
        )
        for row in worst
    ]
    return ErrorReport(project, len(labelled), suspects, _by_annotator(names, quality, worst.tolist()), notes)


def send_suspects(workspace: Workspace, store: Store, report: ErrorReport, *, expert: str | None = None) -> ErrorReport:
    """Send the suspects back to people as review tasks, the worst first; see ``send_to_review``, whose errors it raises."""
    from doyen.annotation.quality.review import send_to_review

    labels: dict[str, list[LabelledText]] = defaultdict(list)
    for label in labelled_texts(store, report.project, decided=False):
        labels[label.item_id].append(label)
    worst: dict[str, Suspect] = {}
    for suspect in report.suspects:
        worst.setdefault(suspect.item_id, suspect)
    disputes = [
        Dispute(suspect.item_id, 1 - suspect.quality, suspect.reason, tuple(labels[suspect.item_id]))
        for suspect in worst.values()
    ]
    made = send_to_review(workspace, store, report.project, disputes, expert=expert)
    return replace(report, sent=made.sent, review=made.review)


def _judge(learner: Learner, labelled: Sequence[LabelledText], folds: int, seed: int) -> tuple[Judged, list[Any]]:
    if len(labelled) < LEAST_LABELS:
        raise InputError(f"{len(labelled)} labels are too few to judge them by each other: pull at least {LEAST_LABELS}")
    texts = [label.text for label in labelled]
    targets = learner.targets(texts, [label.label for label in labelled])
    try:
        return judge_labels(
            learner, learner.features(texts), targets, [normalise(text) for text in texts], folds, seed
        ), targets
    except ValueError as error:
        raise InputError(f"the labels cannot be judged by each other: {error}") from error


def _weighed(quality: Any, names: Sequence[str]) -> Any:
    """Return by what labels are ranked: their odds of being right, times their annotator's, as the shrunk mean says."""
    if len(set(names)) < 2:
        return quality
    overall = float(quality.mean())
    means = {name: _shrunk([q for q, own in zip(quality, names, strict=True) if own == name], overall) for name in set(names)}
    clipped = np.clip(quality, 1e-6, 1 - 1e-6)
    return np.log(clipped / (1 - clipped)) + np.array([_logit(means[name]) - _logit(overall) for name in names])


def _shrunk(values: Sequence[float], overall: float, weight: int = 10) -> float:
    """Return an annotator's mean, with ``weight`` labels of the mean of all beside it: a few labels say little."""
    return (sum(values) + weight * overall) / (len(values) + weight)


def _logit(share: float) -> float:
    share = min(max(share, 1e-6), 1 - 1e-6)
    return math.log(share / (1 - share))


def _reason(learner: Learner, judged: Judged, row: int, target: Any, text: str) -> str:
    own = judged.probabilities[row]
    if isinstance(learner, OneClass):
        best = int(own[0, 0].argmax())
        given = judged.options.index(target)
        return (
            f"A model without it says {judged.options[best]} ({own[0, 0, best]:.2f}), and {target} with {own[0, 0, given]:.2f}."
        )
    if isinstance(learner, SeveralClasses):
        applies = np.array([name in target for name in judged.options])
        agreed = np.where(applies, own[0, :, 1], own[0, :, 0])
        worst = int(agreed.argmin())
        verb = "applies" if applies[worst] else "does not apply"
        return f"That {judged.options[worst]} {verb} is likely to {agreed[worst]:.2f} only."
    if not target:
        return "It has no words."
    of_tags = own[np.arange(len(target)), 0, [judged.options.index(tag) for tag in target]]
    worst = int(of_tags.argmin())
    start, end = tokenise(text)[worst]
    best = int(own[worst, 0].argmax())
    return (
        f"“{text[start:end]}” is {target[worst]}; a model without it says {judged.options[best]} ({own[worst, 0, best]:.2f})."
    )


def _by_annotator(names: Sequence[str], quality: Any, worst: Sequence[int]) -> list[AnnotatorDoubt]:
    suspects: dict[str, int] = defaultdict(int)
    for row in worst:
        suspects[names[row]] += 1
    rows: dict[str, list[float]] = defaultdict(list)
    for name, own in zip(names, quality, strict=True):
        rows[name].append(float(own))
    found = [AnnotatorDoubt(name, len(own), suspects[name], round(sum(own) / len(own), 4)) for name, own in rows.items()]
    return sorted(found, key=lambda who: (who.quality, who.annotator))
