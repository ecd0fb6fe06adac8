"""The rounds of active learning: what was asked for, why, and how good the labels were by then; a line each in a file."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from doyen.core.errors import storage_errors
from doyen.finetune.supervision.learning_curve import Forecast, Point

FILE = "rounds.jsonl"


@dataclass(frozen=True)
class Round:
    """One round.

    Attributes:
        number: from 1.
        strategy: by which the texts were chosen; that of a first round may need no model.
        reason: why it was another strategy than the one that was asked for, or empty.
        chosen: item ids to label next, in this order; the test texts among them are ``test``.
        labelled: labelled texts that models are trained on; ``labelled_test`` those that they are measured on.
        seconds: what the chosen texts are estimated to cost.
        metric: name of the score; empty where the task has none.
        curve: scores by number of labels; empty while too few test texts are labelled.
        forecast: what the target needs; None while the curve has too few points.
        judge: the trained head that said how sure it is; empty where it was a small model, or none.
    """

    number: int
    at: str
    project: str
    strategy: str
    reason: str
    seed: int
    chosen: list[str]
    test: list[str]
    labelled: int
    labelled_test: int
    open: int
    seconds: float
    metric: str = ""
    curve: list[Point] = field(default_factory=list)
    forecast: Forecast | None = None
    advice: str = ""
    judge: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    def as_text(self) -> str:
        """Return it for people: what comes next, the curve, and whether to go on."""
        lines = [
            f"Round {self.number} of {self.project!r}: {len(self.chosen)} of {self.open} open texts chosen by {self.strategy}"
            f"{f' with head {self.judge}' if self.judge else ''}{f' ({self.reason})' if self.reason else ''}, "
            f"{len(self.test)} of them at random to measure with; about {self.seconds / 60:.0f} minutes of work.",
            f"Labelled so far: {self.labelled} texts to train on, {self.labelled_test} to measure with.",
        ]
        lines += [f"  {_bar(point)} {point.labels:>6} labels" for point in self.curve]
        return "\n".join([*lines, *([self.advice] if self.advice else [])])


def _bar(point: Point, width: int = 40) -> str:
    """Draw a score as a bar, and its interval as dashes around the bar's end."""
    low, end, high = (round(value * width) for value in (point.low, point.score, point.high))
    signs = ("|" if n == end else "-" if low <= n <= high else "=" if n < end else " " for n in range(width + 1))
    drawn = "".join(signs)
    return f"{drawn} {point.score:.3f} ({point.low:.3f} to {point.high:.3f})"


def read_rounds(folder: Path) -> list[dict[str, Any]]:
    """Return the rounds of a project's folder as JSON values, oldest first; an unfinished last line is passed over."""
    path = folder / FILE
    if not path.exists():
        return []
    lines: Sequence[str] = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines if line]


def add_round(folder: Path, made: Round) -> None:
    """Append a round; it is on the disk when this returns. A line that a kill left unfinished is taken back first."""
    path = folder / FILE
    with storage_errors(f"writing {path}"):
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as stream:
            stream.seek(0)
            stream.truncate(stream.read().rfind(b"\n") + 1)
            stream.write((json.dumps(made.as_json(), ensure_ascii=False) + "\n").encode())
            stream.flush()
            os.fsync(stream.fileno())
