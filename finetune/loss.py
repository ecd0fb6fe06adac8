"""The training loss of packed rows: response tokens alone carry loss, and only their logits are ever computed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from doyen.finetune.packing import Row


@dataclass(frozen=True)
class RowTensors:
    """A row as a model takes it; T fed tokens, P of them prefix, R response tokens.

    Attributes:
        input_ids: (1, T).
        position_ids: (1, T); each branch goes on from P.
        allowed: (T, T) bool; whether a token (first index) sees another.
        predicting: (R,) positions in 0..T-1 whose logits predict the response tokens.
        targets: (R,) the response tokens.
    """

    input_ids: Tensor
    position_ids: Tensor
    allowed: Tensor
    predicting: Tensor
    targets: Tensor


def row_tensors(row: Row, device: Any = "cpu") -> RowTensors:
    """Lay a row out on ``device``."""
    ids, positions, segments = list(row.prefix), list(range(len(row.prefix))), [0] * len(row.prefix)
    predicting: list[int] = []
    targets: list[int] = []
    for number, branch in enumerate(row.branches, start=1):
        first = len(ids) + len(branch.prompt_ids) - 1
        predicting += range(first, first + len(branch.response_ids))
        targets += branch.response_ids
        ids += [*branch.prompt_ids, *branch.response_ids[:-1]]
        positions += range(len(row.prefix), len(row.prefix) + branch.length)
        segments += [number] * branch.length
    segment = torch.tensor(segments, device=device)
    order = torch.arange(len(ids), device=device)
    allowed = (order[:, None] >= order) & ((segment == 0) | (segment[:, None] == segment))
    return RowTensors(
        torch.tensor([ids], device=device),
        torch.tensor([positions], device=device),
        allowed,
        torch.tensor(predicting, device=device),
        torch.tensor(targets, device=device),
    )


def response_logits(model: Any, row: RowTensors, prefix: int = 0) -> Tensor:
    """Return the logits (R, vocabulary) at the positions that predict the row's response tokens.

    Args:
        prefix: this many leading tokens are computed without gradients: they reach the branches as keys and values only.
    """
    # An additive mask is the one form that every attention implementation accepts in four dimensions.
    lowest = torch.finfo(model.dtype).min
    mask = torch.zeros(row.allowed.shape, dtype=model.dtype, device=row.allowed.device).masked_fill_(~row.allowed, lowest)
    cache = None
    if prefix:
        with torch.no_grad():
            cache = model(input_ids=row.input_ids[:, :prefix], use_cache=True, logits_to_keep=1).past_key_values
    output = model(
        input_ids=row.input_ids[:, prefix:],
        attention_mask=mask[None, None, prefix:],
        position_ids=row.position_ids[:, prefix:],
        logits_to_keep=row.predicting - prefix,
        past_key_values=cache,
        use_cache=prefix > 0,
    )
    return output.logits[0]


def row_loss(model: Any, row: Row, device: Any = "cpu", *, train_prefix: bool = True) -> Tensor:
    """Return the summed cross-entropy of the row's response tokens, in nats.

    Args:
        train_prefix: as of ``row_loss_and_margins``.
    """
    return cross_entropy(*_predictions(model, row, device, train_prefix=train_prefix), reduction="sum")


def row_loss_and_margins(model: Any, row: Row, device: Any = "cpu", *, train_prefix: bool = True) -> tuple[Tensor, Tensor]:
    """Return what ``row_loss`` does, and the margins (R,) of the response tokens, without gradients.

    Args:
        train_prefix: whether gradients also flow through the shared prefix. Without them the loss is the same, and the
            gradient leaves out how the adapter changes the reading of the passages: about 1.8 times as fast.
    """
    logits, targets = _predictions(model, row, device, train_prefix=train_prefix)
    return cross_entropy(logits, targets, reduction="sum"), token_margins(logits.detach(), targets)


def token_margins(logits: Tensor, targets: Tensor) -> Tensor:
    """Return for each row of logits (R, vocabulary) that of its target minus the largest other one."""
    best = logits.topk(2)
    other = torch.where(best.indices[:, 0] == targets, best.values[:, 1], best.values[:, 0])
    return logits.gather(1, targets[:, None])[:, 0] - other


def _predictions(model: Any, row: Row, device: Any, *, train_prefix: bool) -> tuple[Tensor, Tensor]:
    tensors = row_tensors(row, device)
    logits = response_logits(model, tensors, 0 if train_prefix else len(row.prefix))
    return logits.float(), tensors.targets


def mean_loss(model: Any, rows: Sequence[Row], advance: Callable[[], None] = lambda: None) -> float:
    """Return the mean loss per response token over rows, in nats, without dropout; NaN for no rows."""
    model.eval()
    total, tokens = 0.0, 0
    with torch.no_grad():
        for row in rows:
            total += row_loss(model, row, model.device).item()
            tokens += row.response_tokens
            advance()
    return total / tokens if tokens else math.nan


def can_share_prefix(config: Any) -> bool:
    """Whether a model's attention is full causal attention in every layer, so that a block mask expresses sharing.

    Sliding windows and recurrent layers count tokens in the order of the row, which sharing changes: such models train on
    rows of one example.
    """
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    recurrent = any(hasattr(config, name) for name in ("ssm_cfg", "state_size", "mamba_d_state", "linear_num_key_heads"))
    return kinds == {"full_attention"} and not window and not recurrent
