"""How right the generated answers are on the example domain: ``python benchmarks/answering.py``.

Reader and adapter are trained on the example's pairs, the adapter on from the general reading adapter; asked are questions
outside the development third, half of them on documents that training never saw, and nothing is refused. ``alone`` is the
generator without the reader: its own passages' order, and no extract in the place of its answer.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reading import EXAMPLE, answer, quality, train, workspace

from doyen import Doyen
from doyen.core.modes import Mode
from doyen.core.records import Pair, Question, read_records
from doyen.eval.questions import sample

SETTINGS = "max_tokens = 40\n\n[finetune]\nepochs = 1.0\nprefix_gradients = false\n"
"""As the example's own: its answers fit one line, and its adapter is trained in minutes."""


def main() -> int:
    """Measure and return 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=Path(".cache/reading/example"))
    parser.add_argument("--questions", type=int, default=120, help="asked at most")
    options = parser.parse_args()
    questions = read_records(EXAMPLE / "questions.jsonl", Question)
    open_questions = [each for each in questions if each.answerable and "development" not in each.tags]
    asked = sample(open_questions, options.questions, 17)
    with workspace(options.workspace, EXAMPLE / "documents", SETTINGS) as doyen:
        train(doyen, read_records(EXAMPLE / "pairs.jsonl", Pair), questions)
        doyen.train("reading")
        modes = (Mode.EXTRACT, Mode.RAG_READING, Mode.HYBRID)
        passed = [each for mode in modes for each in measure(doyen, asked, mode, str(mode))]
    with workspace(options.workspace, EXAMPLE / "documents", 'reader = "none"\n' + SETTINGS) as doyen:
        for mode in (Mode.RAG_READING, Mode.HYBRID):
            measure(doyen, asked, mode, f"{mode} alone")
    return int(not all(passed))


def measure(doyen: Doyen, questions: Sequence[Question], mode: Mode, name: str) -> list[bool]:
    """Print how right a mode's answers are, on all and on unseen documents; return whether its bars are passed."""
    records = answer(doyen, questions, mode)
    unseen = [item for item in records if "unseen-document" in item[0].tags]
    bars = {Mode.EXTRACT: 0.52, Mode.HYBRID: 0.58}
    quality(f"{name}, all", records, None)
    return quality(f"{name}, unseen documents", unseen, bars.get(mode))


if __name__ == "__main__":
    sys.exit(main())
