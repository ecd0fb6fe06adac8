"""How sure a training was of each pair's response, step by step, and the area under that: what it hardly learns may be wrong.

The margin of a token is the logit of the token that the response has, minus the largest other one; that of an example is the
mean over its response. Their mean over all steps that trained on a pair is the area under the margin (Pleiss et al., NeurIPS
2020, arXiv 2001.10528): low where other examples speak against the label.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from doyen.core.files import write_text_atomic
from doyen.finetune.packing import Row

MARGINS = "margins.jsonl"
"""Name of the file, in the folder of a run and then of its adapter."""


class MarginLog:
    """Writes a line for each example that a step trained on: step, pair, margin.

    Args:
        path: what a run that was stopped has written is kept, up to the step from which it goes on.
        done: that step.
    """

    def __init__(self, path: Path, done: int) -> None:
        self._path = path
        kept = [line for line in _lines(path) if line["step"] <= done] if path.is_file() else []
        write_text_atomic(path, "".join(json.dumps(line) + "\n" for line in kept))

    def add(self, step: int, row: Row, margins: Sequence[float]) -> None:
        """Add the examples of a row that belong to a pair.

        Args:
            margins: of the row's response tokens, in their order.
        """
        lines, start = [], 0
        for branch in row.branches:
            own = margins[start : start + len(branch.response_ids)]
            start += len(own)
            if branch.pair:
                lines.append({"step": step, "pair": branch.pair, "margin": round(sum(own) / len(own), 4)})
        with self._path.open("a", encoding="utf-8") as stream:
            stream.writelines(json.dumps(line) + "\n" for line in lines)


def read_areas(path: Path) -> dict[str, float]:
    """Return the area under the margin of each pair that a file names; nothing without one."""
    margins: dict[str, list[float]] = defaultdict(list)
    for line in _lines(path) if path.is_file() else ():
        margins[line["pair"]].append(line["margin"])
    return {pair: sum(own) / len(own) for pair, own in margins.items()}


def _lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines that are whole: a process that was killed may have left half of one."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return found
