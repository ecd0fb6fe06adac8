"""Where things come from and what comes of them: documents, tasks, labels, datasets, adapters, answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What a workspace keeps, in the order in which one comes of the other."""

    DOCUMENT = "document"
    TASK = "task"
    LABEL = "label"
    """Of an annotator, or a decision about a task."""
    ROW = "row"
    """A pair of a dataset, as ``DATASET#PAIR``."""
    DATASET = "dataset"
    ADAPTER = "adapter"
    REPORT = "report"
    ANSWER = "answer"
    FEEDBACK = "feedback"


@dataclass(frozen=True)
class Item:
    """One thing that a workspace keeps, or kept.

    Attributes:
        title: what it says, or the name that people know it by.
        state: "deleted", "replaced", "promoted", …; empty where there is nothing to say.
    """

    kind: Kind
    id: str
    title: str = ""
    state: str = ""


@dataclass(frozen=True)
class Stage:
    """Things of one kind that a trace has met.

    Attributes:
        total: how many.
        items: the first of them by id.
    """

    kind: Kind
    total: int
    items: list[Item]


@dataclass(frozen=True)
class Trace:
    """What something came from, and what came of it.

    Attributes:
        items: what was asked for; several where a pair is in several datasets.
        came_from, came_of: step by step as far as anything is known, by kind in the order of `Kind`.
    """

    items: list[Item]
    came_from: list[Stage]
    came_of: list[Stage]


@dataclass(frozen=True)
class DatasetUse:
    """A dataset that holds labels of certain tasks.

    Attributes:
        labels: how many of its pairs rest on them.
        adapters: ``name:version`` of each adapter that was trained on it.
    """

    dataset_id: str
    labels: int
    adapters: tuple[str, ...] = ()

    def __str__(self) -> str:
        trained = f", which trained {', '.join(self.adapters)}" if self.adapters else ""
        return f"{self.labels} in dataset {self.dataset_id}{trained}"


@dataclass
class StaleReport:
    """What became stale.

    Attributes:
        counts: tasks by what happened to their text.
        used_by: the datasets that hold their labels.
    """

    counts: dict[str, int] = field(default_factory=dict)
    used_by: list[DatasetUse] = field(default_factory=list)

    def describe(self) -> list[str]:
        """Return one line on the tasks and one for each dataset; none when nothing is stale."""
        if not self.counts:
            return []
        counts = ", ".join(f"{count} whose text was {why}" for why, count in self.counts.items())
        return [f"stale annotation tasks: {counts}; their labels are kept", *(f"  labels used: {use}" for use in self.used_by)]
