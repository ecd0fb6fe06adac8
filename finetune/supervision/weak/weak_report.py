"""What labelling functions made of a project's texts, measured on the labels that are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from doyen.annotation.types.typed_labels import Classes, Label, Marks
from doyen.finetune.supervision.weak.function_table import (
    FunctionFigures,
    class_table,
    several_table,
    span_table,
    table_json,
    table_text,
)
from doyen.finetune.supervision.weak.functions import Marked
from doyen.finetune.supervision.weak.soft_labels import SoftLabel
from doyen.finetune.supervision.weak.vote_aggregation import Method
from doyen.finetune.supervision.weak.votes import ABSTAIN, Failure, SeveralVotes, SpanVotes, Votes


@dataclass(frozen=True)
class WeakReport:
    """What labelling functions made of a project's texts.

    Attributes:
        version: under which drafts are stored, and the name of ``folder``.
        texts: how many there are.
        covered: of which some function says something.
        labelled: with a plain label; the others wait for a person.
        known: texts whose true label is known.
        functions: the figures of each function.
        together: those of the plain labels that all functions give together.
        found: of entities, the share of the known ones that are among the plain labels; None without any.
        failures: every call that raised or said what nobody can use.
        drafted: open tasks whose drafts were replaced.
        pairs: how many training pairs were written.
        folder: with soft_labels.jsonl and manifest.json; None where only the table was asked for.
    """

    project: str
    method: Method
    version: str
    texts: int
    covered: int
    labelled: int
    known: int
    functions: tuple[FunctionFigures, ...]
    together: FunctionFigures
    found: float | None = None
    failures: tuple[Failure, ...] = ()
    drafted: int = 0
    pairs: int = 0
    folder: Path | None = None

    def as_text(self) -> str:
        """Return the report for people."""
        lines = [
            table_text([*self.functions, self.together]),
            f"{self.texts} texts, {self.known} of them with a known label; functions say something of {self.covered}, "
            f"and {self.labelled} have a label that is sure enough.",
        ]
        if self.found is not None:
            lines.append(f"Of the known entities {self.found:.0%} are found.")
        first = {failure.function: failure for failure in reversed(self.failures)}
        lines += [f"failed first: {first[row.name]}; {row.failures} in all" for row in self.functions if row.name in first]
        return "\n".join([*lines, *(["--json lists all failures."] if first else [])])

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        counts = ("texts", "covered", "labelled", "known", "found", "drafted", "pairs")
        return {
            "project": self.project,
            "method": self.method,
            "version": self.version,
            **{name: getattr(self, name) for name in counts},
            "functions": table_json(self.functions),
            "together": table_json([self.together])[0],
            "failures": [vars(failure) for failure in self.failures],
            "folder": self.folder,
        }


def measure(
    project: str,
    votes: Votes | SeveralVotes | SpanVotes,
    soft: Sequence[SoftLabel],
    known: Mapping[str, Label],
    threshold: float,
    method: Method,
    version: str,
) -> WeakReport:
    """Return the report of votes and of the plain labels made of them.

    Args:
        known: item id → true label, for as many texts as have one.
    """
    labels = [each.label(threshold) for each in soft]
    if isinstance(votes, SpanVotes):
        functions, together, found = _measure_spans(votes, labels, known, method)
    elif isinstance(votes, SeveralVotes):
        functions, together, found = *_measure_several(votes, labels, known, method), None
    else:
        functions, together, found = *_measure_classes(votes, labels, known, method), None
    return WeakReport(
        project,
        method,
        version,
        texts=len(soft),
        covered=sum(bool(each.votes) for each in soft),
        labelled=sum(label is not None for label in labels),
        known=sum(item.id in known for item in votes.items),
        functions=tuple(functions),
        together=together,
        found=found,
        failures=votes.failures,
    )


def _measure_classes(
    votes: Votes, labels: Sequence[Label | None], known: Mapping[str, Label], method: Method
) -> tuple[list[FunctionFigures], FunctionFigures]:
    truth = known_classes(known)
    place = {name: number for number, name in enumerate(votes.labels)}
    said = [[place[label.labels[0]] if isinstance(label, Classes) else ABSTAIN] for label in labels]
    together = Votes(votes.labels, (method,), votes.items, np.array(said))
    return class_table(votes, truth), class_table(together, truth)[0]


def _measure_several(
    votes: SeveralVotes, labels: Sequence[Label | None], known: Mapping[str, Label], method: Method
) -> tuple[list[FunctionFigures], FunctionFigures]:
    truth = {name: label.labels for name, label in known.items() if isinstance(label, Classes)}
    said = [
        [name in label.labels for name in votes.labels] if isinstance(label, Classes) else [ABSTAIN] * len(votes.labels)
        for label in labels
    ]
    together = SeveralVotes(votes.labels, (method,), votes.items, np.array(said, int)[:, None])
    return several_table(votes, truth), several_table(together, truth)[0]


def _measure_spans(
    votes: SpanVotes, labels: Sequence[Label | None], known: Mapping[str, Label], method: Method
) -> tuple[list[FunctionFigures], FunctionFigures, float | None]:
    truth = {name: _stretches(label) for name, label in known.items()}
    own = [_stretches(label) for label in labels]
    together = SpanVotes(votes.labels, (method,), votes.items, tuple((marks,) for marks in own))
    found = _found_share(truth, {item.id: marks for item, marks in zip(votes.items, own, strict=True)})
    return span_table(votes, truth), span_table(together, truth)[0], found


def known_classes(known: Mapping[str, Label]) -> dict[str, str]:
    """Return item id → class of the labels that are one class."""
    return {name: label.labels[0] for name, label in known.items() if isinstance(label, Classes) and len(label.labels) == 1}


def _stretches(label: Label | None) -> tuple[Marked, ...]:
    return tuple((mark.start, mark.end, mark.label) for mark in label.regions) if isinstance(label, Marks) else ()


def _found_share(known: Mapping[str, Sequence[Marked]], own: Mapping[str, Sequence[Marked]]) -> float | None:
    wanted = [(name, mark) for name, marks in known.items() if name in own for mark in marks]
    return sum(mark in own[name] for name, mark in wanted) / len(wanted) if wanted else None
