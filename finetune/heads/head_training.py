"""Training a head: first the linear layer alone on the states of the base, then adapter and layer together.

The adapter starts from a layer that is right as far as the base's states can be, so that its first steps do not spoil them
(Kumar et al., "Fine-Tuning can Distort Pretrained Features", ICLR 2022).
"""

from __future__ import annotations

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
from doyen.finetune.heads.head_config import HeadType
from doyen.finetune.heads.head_examples import Example, Floats
from doyen.finetune.heads.head_network import HeadNetwork
from doyen.finetune.heads.head_rows import (
    Row,
    collate,
    shuffled_batches,
    targets_of,
    text_rows,
    word_rows,
)
from doyen.finetune.trainer import Schedule, run_trainer

PENALTY = 0.05
"""Of the linear layer's squared weights, divided by the number of examples: 1/(2C) of a logistic regression with C = 10."""
PROBE_STEPS, PROBE_WORDS = 100, 40_000
"""Of the linear layer alone: iterations, and words (or texts) that it is fitted to at most."""


@dataclass(frozen=True)
class Lesson:
    """Rows, and what they shall say."""

    kind: HeadType
    rows: list[Row]
    targets: list[Floats]


def make_lesson(kind: HeadType, examples: Sequence[Example], tokenizer: Any, max_tokens: int) -> Lesson:
    """Return examples as a network learns them."""
    texts = [example.text for example in examples]
    if kind.of_words:
        rows = word_rows(tokenizer, texts, [example.words for example in examples], max_tokens)
        rows = [row for row in rows if row.words]
    else:
        rows = text_rows(tokenizer, texts, max_tokens)
    return Lesson(kind, rows, [example.target for example in examples])


def head_loss(kind: HeadType, logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross-entropy to the probabilities ``targets``; of several classes each one's own, summed.

    Of several classes those with NaN are not known, and teach nothing.
    """
    if kind == HeadType.MULTI_LABEL:
        losses = binary_cross_entropy_with_logits(logits, targets.nan_to_num(), reduction="none")
        return losses.masked_fill(targets.isnan(), 0).sum(1).mean()
    return cross_entropy(logits, targets)


class HeadTrainer(Trainer):
    """Trainer whose batches are numbers of rows."""

    def __init__(self, *, lesson: Lesson, **options: Any) -> None:
        """Pass the options on."""
        super().__init__(**options)
        self._lesson = lesson

    def training_step(self, model: Any, inputs: list[int], *_: Any) -> Tensor:
        """Add the gradients of a batch."""
        model.train()
        lesson, device = self._lesson, self.args.device
        rows = [lesson.rows[number] for number in inputs]
        of_words = lesson.kind.of_words
        logits = model(collate(rows, of_words=of_words, pad=model.pad).to(device))
        loss = head_loss(lesson.kind, logits, targets_of(rows, lesson.targets, of_words=of_words).to(device))
        self.accelerator.backward(loss)
        return loss.detach()


def fit_head(
    network: HeadNetwork, lesson: Lesson, epochs: int, batch_size: int, schedule: Schedule, folder: Path, reporter: Reporter
) -> list[float]:
    """Train a head in place; return the loss of every step.

    A run that was stopped goes on from its checkpoint in ``folder``.
    """
    network.to(torch_device())
    fit_output(network, lesson)
    steps = [
        batch for epoch in range(epochs) for batch in shuffled_batches(lesson.rows, f"{schedule.seed}/{epoch}", batch_size)
    ]
    trainer = partial(HeadTrainer, lesson=lesson)
    losses = run_trainer(trainer, network, steps, schedule, folder, reporter, title="training the head")
    network.eval()
    return losses


def fit_output(network: HeadNetwork, lesson: Lesson) -> None:
    """Fit the linear layer alone, to the states as they are."""
    of_words, device = lesson.kind.of_words, network.output.weight.device
    states, targets, seen = [], [], 0
    network.eval()
    for batch in shuffled_batches(lesson.rows, "probe", len(lesson.rows)):
        rows = [lesson.rows[number] for number in batch]
        with torch.no_grad():
            states.append(network.states(collate(rows, of_words=of_words, pad=network.pad).to(device)))
        targets.append(targets_of(rows, lesson.targets, of_words=of_words).to(device))
        seen += len(states[-1])
        if seen >= PROBE_WORDS:
            break
    inputs, wanted = torch.cat(states), torch.cat(targets)
    torch.nn.init.zeros_(network.output.weight)
    torch.nn.init.zeros_(network.output.bias)
    optimiser = torch.optim.LBFGS(network.output.parameters(), max_iter=PROBE_STEPS, line_search_fn="strong_wolfe")
    weight = PENALTY * network.dim / len(inputs)

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = head_loss(lesson.kind, network.output(inputs), wanted) + weight * network.output.weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    network.zero_grad()


def fit_temperature(kind: HeadType, logits: Tensor, targets: Tensor) -> float:
    """Return the number by which logits are divided for the best cross-entropy on labels that training did not see."""
    temperatures = [1.1**power for power in range(-12, 13)]
    return min(temperatures, key=lambda each: head_loss(kind, logits / each, targets).item())
