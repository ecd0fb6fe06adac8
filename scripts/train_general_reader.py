"""Train the general reader that comes with Doyen, and write it with its card to retrieval/reading/general.

    python scripts/train_general_reader.py ../shared/data/squad/paragraphs.jsonl

Takes about an hour on two idle cores with AVX2. It can be stopped: the same command goes on from the last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path

import torch

from doyen.core.progress import Terminal
from doyen.finetune.general_reading import hold_out, make_examples, read_paragraphs
from doyen.finetune.reader_training import fit_reader, make_batches, make_rows
from doyen.finetune.trainer import Schedule
from doyen.retrieval.reading.files import GENERAL_READER
from doyen.retrieval.reading.network import new_network, save_network

SEED = 17
LEARNING_RATE = 1.5e-4


def main() -> None:
    """Train and write the reader."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paragraphs", type=Path)
    parser.add_argument("--epochs", type=float, default=1.5)
    parser.add_argument("--out", type=Path, default=GENERAL_READER)
    parser.add_argument("--run", type=Path, default=Path(".cache/general-reader"), help="folder of the checkpoints")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--limit", type=int, default=None, help="paragraphs to train on, for a trial")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    network, tokenizer, config = new_network()
    training, _ = hold_out(read_paragraphs(options.paragraphs), SEED)
    steps = []
    for number in range(math.ceil(options.epochs)):
        rows = make_rows(tokenizer, make_examples(training[: options.limit], SEED, number))
        found = make_batches(rows, f"{SEED}/{number}")
        steps += found[: math.ceil(min(1.0, options.epochs - number) * len(found))]
    print(f"{len(steps)} steps", file=sys.stderr)  # noqa: T201
    started = time.monotonic()
    losses = fit_reader(network, steps, Schedule(LEARNING_RATE, 100, SEED, 0.01), options.run, Terminal())
    options.out.mkdir(parents=True, exist_ok=True)
    save_network(network, config, options.out)
    print(json.dumps({"seconds": time.monotonic() - started, "loss": sum(losses[-50:]) / 50}))  # noqa: T201


if __name__ == "__main__":
    main()
