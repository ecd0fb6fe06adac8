"""Whether a training fits into the memory that is there, told before it starts and with the setting that would fit.

A step computes one row at a time, so the longest row decides. What PyTorch keeps of a row for its gradients is counted on
three short rows and grows with the row's tokens and with its response tokens, for which logits are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from doyen.core.errors import StateError
from doyen.core.memory import available_memory_mb
from doyen.core.settings import FinetuneSettings
from doyen.finetune.loss import row_loss
from doyen.finetune.packing import Branch, Row

SHORT = ((64, 8), (128, 8), (64, 40))
"""Prefix and response tokens of the rows that are counted."""
RECOMPUTED = 10
"""So many layers' worth of activations a step holds with gradient checkpointing. It computes one layer again at a time; the
rest is what the allocator does not give back (measured: 443 MB for 941 tokens of the packaged model, 1,092 MB without)."""
MEGABYTE = 2**20
LEAST_TOKENS, TOKENS_STEP = 64, 64


@dataclass(frozen=True)
class RowMemory:
    """What a row needs, in bytes.

    Attributes:
        row: whatever its length.
        token: for each token that is fed.
        response: for each response token.
        fixed: of the training, whatever the row: gradients and the optimiser's two moments of what is trained.
        layers: of the model.
        state: of one token between two layers: all that gradient checkpointing keeps.
    """

    row: float
    token: float
    response: float
    fixed: float
    layers: int
    state: float

    def needed(self, row: Row, settings: FinetuneSettings) -> float:
        """Return bytes that training on a row takes beside the model."""
        tokens = row.length if settings.prefix_gradients else row.length - len(row.prefix)
        kept = self.row + self.token * tokens
        if settings.gradient_checkpointing:
            kept = min(1.0, RECOMPUTED / self.layers) * kept + self.state * self.layers * tokens
        return self.fixed + kept + self.response * row.response_tokens


def measure_row_memory(model: Any, *, checkpointing: bool = False) -> RowMemory:
    """Return what rows need, counted on three short ones; takes as long as their losses.

    Args:
        checkpointing: the model has gradient checkpointing on, which is put off meanwhile.
    """
    if checkpointing:
        model.gradient_checkpointing_disable()
    trained = sum(value.numel() * value.element_size() for value in model.parameters() if value.requires_grad)
    first, longer, wordier = (_kept_bytes(model, _row(*size)) for size in SHORT)
    token = (longer - first) / (SHORT[1][0] - SHORT[0][0])
    # A response token is fed as well.
    response = (wordier - first) / (SHORT[2][1] - SHORT[0][1]) - token
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    config = model.config.get_text_config()
    return RowMemory(
        row=max(first - token * sum(SHORT[0]) - response * SHORT[0][1], 0.0),
        token=token,
        response=max(response, 0.0),
        fixed=3 * trained,
        layers=config.num_hidden_layers,
        state=config.hidden_size * model.dtype.itemsize,
    )


def require_memory(model: Any, rows: Sequence[Row], settings: FinetuneSettings) -> None:
    """Check that the longest row of a training fits into the memory that is free on the model's device.

    Raises:
        StateError: it does not; the message names the setting that would fit.
    """
    free = _free_bytes(model.device)
    if free is None or not rows:
        return
    memory = measure_row_memory(model, checkpointing=settings.gradient_checkpointing)
    needed = max(memory.needed(row, settings) for row in rows)
    if needed > free:
        raise StateError(
            f"training needs about {needed / MEGABYTE:,.0f} MB of memory beside the model, and {free / MEGABYTE:,.0f} MB are "
            f"free: {_remedy(memory, rows, settings, free)}"
        )


def _remedy(memory: RowMemory, rows: Sequence[Row], settings: FinetuneSettings, free: float) -> str:
    """Return the first setting that would fit: of those that keep what is learnt, then shorter examples."""
    if not settings.gradient_checkpointing and settings.prefix_gradients:
        cheaper = settings.model_copy(update={"gradient_checkpointing": True})
        if max(memory.needed(row, cheaper) for row in rows) <= free:
            return "set finetune.gradient_checkpointing = true"
    for tokens in range(settings.max_tokens // TOKENS_STEP * TOKENS_STEP, LEAST_TOKENS - 1, -TOKENS_STEP):
        if max(memory.needed(_cut(row, tokens), settings) for row in rows) <= free:
            return f"set finetune.max_tokens = {tokens}"
    return "take a smaller serving.model, or a machine with more memory"


def _cut(row: Row, tokens: int) -> Row:
    """Return a row as short as it is with fewer tokens for an example: passages, which make up its prefix, are dropped."""
    longest = max(len(row.prefix) + len(branch.prompt_ids) + len(branch.response_ids) for branch in row.branches)
    return replace(row, prefix=row.prefix[: max(0, len(row.prefix) - max(0, longest - tokens))])


def _row(prefix: int, response: int) -> Row:
    """Return a row of one example; which tokens it has does not matter."""
    return Row((1,) * prefix, (Branch((1,), (1,) * response),))


def _kept_bytes(model: Any, row: Row) -> int:
    """Return how much PyTorch keeps of a row for the gradients; the model's own weights do not count."""
    own = {value.untyped_storage().data_ptr() for value in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    model.train()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = row_loss(model, row, model.device)
    del loss
    return sum(kept.values())


def _free_bytes(device: torch.device) -> float | None:
    """Return what is free on a device; None where it cannot be told."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    free = available_memory_mb() if device.type == "cpu" else None
    return None if free is None else free * MEGABYTE
