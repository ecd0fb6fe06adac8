"""Training a reader: questions with passages that answer them, and passages that only look as if they did."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from transformers import Trainer

from doyen.core.models import torch_device
from doyen.core.progress import Reporter
from doyen.finetune.pace import Pace, measure_pace
from doyen.finetune.trainer import Schedule, run_trainer
from doyen.retrieval.reading.reader_network import ReaderNetwork, Scores
from doyen.retrieval.reading.token_windows import Window, batches, collate, make_windows

BATCH_TOKENS = 4096
"""Padded tokens of a training step: about 24 paragraphs."""
NO_ANSWER = 0
"""Place of ``[CLS]``, the target of the span head where the passage does not answer."""
UNKNOWN = -100
"""In place of an answer whose words are not known: it carries no loss."""


@dataclass(frozen=True)
class ReadingExample:
    """A question and a passage that answers it, or does not.

    Attributes:
        answers: whether it does.
        span: start and end of the answer in the passage, in characters; None where it stands there in other words.
    """

    question: str
    passage: str
    answers: bool = False
    span: tuple[int, int] | None = None


@dataclass(frozen=True)
class ReadingRow:
    """An example as the network takes it: a window, and the places of the answer's first and last token in its ids."""

    window: Window
    answers: bool
    start: int
    end: int


def make_rows(tokenizer: Any, examples: Sequence[ReadingExample]) -> list[ReadingRow]:
    """Return the rows of the examples; a window of a passage that answers is left out where the answer is not."""
    windows = make_windows(tokenizer, [item.question for item in examples], [item.passage for item in examples])
    rows = []
    for window in windows:
        example = examples[window.pair]
        if not example.answers:
            rows.append(ReadingRow(window, False, NO_ANSWER, NO_ANSWER))
        elif example.span is None:
            rows.append(ReadingRow(window, True, UNKNOWN, UNKNOWN))
        elif places := _places(window, *example.span):
            rows.append(ReadingRow(window, True, *places))
    return rows


def _places(window: Window, start: int, end: int) -> tuple[int, int] | None:
    """Return the places in ``ids`` of the tokens that cover a stretch of the passage, None where it is not whole here."""
    inside = [number for number, (first, last) in enumerate(window.offsets) if first < end and last > start]
    if not inside or window.offsets[inside[0]][0] > start or window.offsets[inside[-1]][1] < end:
        return None
    return window.first + inside[0], window.first + inside[-1]


def reader_loss(scores: Scores, rows: Sequence[ReadingRow]) -> Tensor:
    """Return the mean loss of a batch: of the first token, the last token and of the passage answering at all."""
    start = torch.tensor([row.start for row in rows], device=scores.start.device)
    end = torch.tensor([row.end for row in rows], device=scores.start.device)
    answers = torch.tensor([float(row.answers) for row in rows], device=scores.start.device)
    known = start != UNKNOWN
    spans = (cross_entropy(scores.start[known], start[known]) + cross_entropy(scores.end[known], end[known])) / 2
    return (spans if known.any() else 0) + binary_cross_entropy_with_logits(scores.answers, answers)


def batch_loss(network: ReaderNetwork, rows: Sequence[ReadingRow], device: str = "cpu") -> Tensor:
    """Return what ``reader_loss`` says of a network's scores of a batch."""
    return reader_loss(network(collate([row.window for row in rows]).to(device)), rows)


def padded_tokens(rows: Sequence[ReadingRow]) -> int:
    """Return how many tokens a batch holds when its rows are as long as the longest."""
    return len(rows) * max(len(row.window.ids) for row in rows)


class ReaderTrainer(Trainer):
    """Trainer whose batches are lists of rows."""

    def training_step(self, model: Any, inputs: list[ReadingRow], *_: Any) -> Tensor:
        """Add the gradients of a batch."""
        model.train()
        loss = batch_loss(model, inputs, str(self.args.device))
        self.accelerator.backward(loss)
        return loss.detach()


def make_batches(rows: Sequence[ReadingRow], seed: str) -> list[list[ReadingRow]]:
    """Return the rows in batches of similar length, in random order."""
    draw = random.Random(seed)
    mixed = draw.sample(rows, len(rows))
    found = [[mixed[place] for place in places] for places in batches([row.window for row in mixed], BATCH_TOKENS)]
    draw.shuffle(found)
    return found


def fit_reader(
    network: ReaderNetwork,
    steps: Sequence[list[ReadingRow]],
    schedule: Schedule,
    folder: Path,
    reporter: Reporter,
    *,
    first_layer: int,
) -> list[float]:
    """Train the layers from ``first_layer`` on and the heads on the batches, once each; return the loss of every step.

    A run that was stopped goes on from its checkpoint in ``folder``.
    """
    _freeze_below(network, first_layer)
    return run_trainer(ReaderTrainer, network, steps, schedule, folder, reporter, title="training the reader")


def measure_reader_pace(network: ReaderNetwork, steps: Sequence[list[ReadingRow]], *, first_layer: int) -> Pace:
    """Return how fast ``fit_reader`` trains on batches, told by their padded tokens."""
    _freeze_below(network, first_layer)
    network.to(torch_device())
    return measure_pace(network, steps, padded_tokens, partial(batch_loss, network, device=torch_device()))


def _freeze_below(network: ReaderNetwork, first_layer: int) -> None:
    network.requires_grad_(False)
    for parameter in network.trained(first_layer).values():
        parameter.requires_grad_(True)
