"""Training an embedder by contrast: a query's piece among those of the other queries (InfoNCE, van den Oord et al., 2018)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import Trainer

from doyen.core.progress import Reporter
from doyen.finetune.contrastive import Step
from doyen.finetune.pace import Pace, measure_pace
from doyen.finetune.trainer import Schedule, run_trainer
from doyen.retrieval.embedder import Embedder

TEMPERATURE = 0.05
FROZEN = ("embeddings.", "encoder.layer.0.", "encoder.layer.1.")
"""Parameters that stay: steps are faster, and what few pairs do not speak of is not forgotten."""

Weights = Mapping[str, Tensor]


def contrastive_loss(queries: Tensor, pieces: Tensor, barred: Sequence[tuple[int, int]]) -> Tensor:
    """Return the mean loss of finding each query's own piece.

    Args:
        queries: (n, dim) of unit length.
        pieces: (at least n, dim) of unit length, first those of the queries in their order.
        barred: (query, piece) that are left out.
    """
    logits = queries @ pieces.T / TEMPERATURE
    if barred:
        rows, columns = zip(*barred, strict=True)
        logits = logits.index_put((torch.tensor(rows), torch.tensor(columns)), torch.tensor(float("-inf")))
    return cross_entropy(logits, torch.arange(len(queries), device=logits.device))


def token_ids(embedder: Embedder, step: Step) -> tuple[list[list[int]], list[list[int]]]:
    """Return the token ids of a step's queries and of its pieces."""
    return embedder.tokens(step.queries, "query"), embedder.tokens(step.pieces)


def padded_tokens(embedder: Embedder, step: Step) -> int:
    """Return how many tokens a step holds when its queries are as long as the longest, and so its pieces."""
    return sum(len(batch) * max(map(len, batch)) for batch in token_ids(embedder, step))


def step_loss(embedder: Embedder, step: Step) -> Tensor:
    """Return what ``contrastive_loss`` says of an embedder's vectors of a step."""
    queries, pieces = token_ids(embedder, step)
    return contrastive_loss(embedder.forward(queries), embedder.forward(pieces), step.barred)


class ContrastiveTrainer(Trainer):
    """Trainer whose batches are lists of one step."""

    def __init__(self, *, embedder: Embedder, **options: Any) -> None:
        """Pass the options on."""
        super().__init__(**options)
        self._embedder = embedder

    def training_step(self, model: Any, inputs: list[Step], *_: Any) -> Tensor:
        """Add the gradients of a batch."""
        model.train()
        (step,) = inputs
        loss = step_loss(self._embedder, step)
        self.accelerator.backward(loss)
        return loss.detach()


def fit_embedder(
    embedder: Embedder, steps: Sequence[Step], schedule: Schedule, folder: Path, reporter: Reporter
) -> list[float]:
    """Train an embedder in place on the steps, once each; return their losses.

    A run that was stopped goes on from its checkpoint in ``folder``.
    """
    _freeze(embedder)

    def trainer(**options: Any) -> ContrastiveTrainer:
        return ContrastiveTrainer(embedder=embedder, **options)

    losses = run_trainer(
        trainer, embedder.network, [[step] for step in steps], schedule, folder, reporter, title="training the embedder"
    )
    embedder.network.eval()
    return losses


def measure_embedder_pace(embedder: Embedder, steps: Sequence[Step]) -> Pace:
    """Return how fast ``fit_embedder`` trains on steps, told by their padded tokens."""
    _freeze(embedder)
    return measure_pace(embedder.network, steps, partial(padded_tokens, embedder), partial(step_loss, embedder))


def _freeze(embedder: Embedder) -> None:
    for name, parameter in embedder.network.named_parameters():
        parameter.requires_grad_(not name.startswith(FROZEN))


def weights_of(embedder: Embedder) -> dict[str, Tensor]:
    """Return a copy of an embedder's weights."""
    return {name: tensor.detach().clone() for name, tensor in embedder.network.state_dict().items()}


def between(base: Weights, tuned: Weights, share: float) -> dict[str, Tensor]:
    """Return weights on the way from one model to the other (Wortsman et al., 2022, "Robust fine-tuning").

    Args:
        share: 0 for the base, 1 for the tuned one.
    """
    return {
        name: torch.lerp(tensor, tuned[name], share) if tensor.is_floating_point() else tensor for name, tensor in base.items()
    }


def save_embedder(weights: Weights, base: Path, folder: Path) -> None:
    """Write weights beside a copy of all else that the base model's folder holds."""
    import shutil

    from safetensors.torch import save_file

    shutil.copytree(base, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.safetensors", "*.bin", "__pycache__"))
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / "model.safetensors", {"format": "pt"})
