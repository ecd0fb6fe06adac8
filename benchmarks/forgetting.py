"""What each remedy against forgetting keeps and costs, on the example domain: ``python benchmarks/forgetting.py``.

The same short training is repeated alone, with replay of general pairs, with EWC on the adapter's product, and with both. The
probe before and after says what was forgotten, the loss on the validation pairs what was learnt. A quarter of an epoch takes
about six minutes on two undisturbed cores.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from reading import EXAMPLE, workspace

from doyen.core.records import Pair, Question, read_records
from doyen.finetune.forgetting import FORGETTING
from doyen.finetune.registry import Adapter

REMEDIES: dict[str, dict[str, Any]] = {
    "alone": {},
    "replay 10%": {"replay": "general"},
    "EWC 100": {"ewc": 100.0},
    "replay 10%, EWC 100": {"replay": "general", "ewc": 100.0},
}
SETTINGS = "max_tokens = 40\n\n[finetune]\nprefix_gradients = false\n"
BAR = -0.02
"""General answers may change by so much at least with the defaults."""


def main() -> int:
    """Train with each remedy, print the table, and return 1 when the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=Path(".cache/forgetting"))
    parser.add_argument("--epochs", type=float, default=0.25)
    options = parser.parse_args()
    questions = read_records(EXAMPLE / "questions.jsonl", Question)
    pairs = read_records(EXAMPLE / "pairs.jsonl", Pair)
    print(f"{'remedy':<20} {'steps':>5} {'validation':>10}  {'general answers':<27} {'perplexity':<13} {'seconds':>7}")
    with workspace(options.workspace, EXAMPLE / "documents", SETTINGS) as doyen:
        dataset, _ = doyen.build_dataset("forgetting", pairs=pairs, frozen=questions)
        for number, (remedy, changes) in enumerate(REMEDIES.items()):
            made = doyen.train(dataset.dataset_id, f"remedy-{number}", options={"epochs": options.epochs, **changes})
            print(line(remedy, made), flush=True)
            if not changes:
                kept = made.manifest[FORGETTING]["change"]["answers"]["delta"]
    passed = kept >= BAR
    print(f"general answers with the defaults {kept:+.3f}, bar {BAR:+.3f}: {'passed' if passed else 'missed'}")
    return int(not passed)


def line(remedy: str, made: Adapter) -> str:
    """Return a training's line of the table."""
    manifest, found = made.manifest, made.manifest[FORGETTING]
    answers = found["change"]["answers"]
    change = f"{answers['delta']:+.3f} ({answers['low']:+.3f} to {answers['high']:+.3f})" if answers["low"] else "none"
    perplexity = f"{found['before']['perplexity']:.1f} to {found['after']['perplexity']:.1f}"
    steps, loss, seconds = len(manifest["losses"]), manifest["validation_loss"], manifest["seconds"]
    return f"{remedy:<20} {steps:>5} {loss:>10.3f}  {change:<27} {perplexity:<13} {seconds:>7.0f}"


if __name__ == "__main__":
    sys.exit(main())
