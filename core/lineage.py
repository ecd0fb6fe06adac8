"""What rests on a document that has changed or gone: annotation tasks, the datasets with their labels, adapters."""

from __future__ import annotations

from dataclasses import dataclass, field


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
