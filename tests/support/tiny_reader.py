"""A reader that knows a handful of sentences: trained by the real code in seconds, for tests that need one that answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from doyen.core.progress import Silent
from doyen.finetune.reader_training import ReadingExample, fit_reader, make_batches, make_rows
from doyen.finetune.trainer import Schedule
from doyen.retrieval.reading.calibration import Calibration
from doyen.retrieval.reading.reader_network import new_network, save_network

# Threads only cost time on sentences this short, above all beside other work.
torch.set_num_threads(1)

FACTS = (
    ("How often is the inlet filter replaced?", "The inlet filter AB-1234 is replaced every 14 months.", "every 14 months"),
    (
        "Which torque do the cover bolts get?",
        "The torque of the cover bolts is 18 Nm on all of these machines. Close the valve V7 before you begin the work.",
        "18 Nm",
    ),
    ("How high is the meal allowance?", "The daily meal allowance is 31 euro inside the country.", "31 euro"),
    ("How many days of leave does an employee have?", "Every employee has 27 days of leave a year.", "27 days"),
    ("How long are measurements stored?", "The controller now stores 90 days of measurements.", "90 days"),
    ("When are receipts handed in?", "Receipts are handed in within 20 days of the return.", "within 20 days"),
)
"""Questions, passages and answers that it was trained on."""
CERTAIN = 0.5
"""Below this probability its calibration refuses at a risk of 0.1."""


def train_tiny_reader(folder: Path) -> Path:
    """Train on `FACTS`, each question also with the other facts' passages as negatives; return the reader's folder."""
    torch.manual_seed(5)
    examples = []
    for number, (question, passage, answer) in enumerate(FACTS):
        start = passage.index(answer)
        examples += [ReadingExample(question, passage, True, (start, start + len(answer)))] * 2
        examples += [ReadingExample(question, other) for place, (_, other, _) in enumerate(FACTS) if place != number]
    network, tokenizer, config = new_network()
    rows = make_rows(tokenizer, examples)
    steps = [batch for number in range(24) for batch in make_batches(rows, str(number))]
    run = folder / "run"
    run.mkdir(parents=True)
    losses = fit_reader(network, steps, Schedule(4e-4, 1000, 5, 0.01), run, Silent(), first_layer=1)
    assert sum(losses[-5:]) / 5 < 0.2, losses
    calibrated = replace(config, calibration=Calibration(curve=((CERTAIN, 0.1), (0.9, 0.0))))
    save_network(network, calibrated, folder)
    return folder
