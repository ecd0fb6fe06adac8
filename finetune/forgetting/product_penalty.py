"""Elastic weight consolidation on what an adapter changes: the product of its matrices, not the matrices.

The change of a weight matrix W is Δ = s·BA, or s·(BA − B₀A₀) where training goes on from another adapter. From where the
general loss is at its best, it grows by ½ Σ F·Δ² (Kirkpatrick et al., arXiv 1612.00796), F being the Fisher information of W.
That of B and A would not do: with B = 0 at the start, A's is exactly 0 (EWC-LoRA, arXiv 2602.17559). With F ≈ R·Cᵀ / S it is

    Σ F·Δ² = s² Σ (BᵀRB ∘ ACAᵀ) / S        R, C diagonal; both products are rank × rank

so that no matrix of the size of W is ever made.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from doyen.finetune.adapter_model import ADAPTER, lora_layers
from doyen.finetune.forgetting.fisher import Fisher, Information


class ProductPenalty:
    """What the general loss is expected to grow by for what the adapter has changed since this was made, times a weight."""

    def __init__(self, model: Any, fisher: Fisher, weight: float) -> None:
        """Take the adapter as it is for the one to keep to."""
        self._weight = weight
        self._layers = [(layer, _on_device(fisher[name], layer), *_copies(layer)) for name, layer in lora_layers(model)]

    def __call__(self) -> Tensor:
        """Return the penalty, with gradients: a scalar in nats a token."""
        terms = []
        for layer, information, start_b, start_a in self._layers:
            b, a = layer.lora_B[ADAPTER].weight, layer.lora_A[ADAPTER].weight
            if start_b is not None:
                b, a = torch.cat([b, -start_b], 1), torch.cat([a, start_a], 0)
            terms.append(layer.scaling[ADAPTER] ** 2 * quadratic_form(b, a, information))
        return self._weight / 2 * torch.stack(terms).sum()


def quadratic_form(b: Tensor, a: Tensor, information: Information) -> Tensor:
    """Return Σ F·(BA)² for the factored information F = R·Cᵀ / S; B is (outputs, rank), A (rank, inputs)."""
    outputs = b.T @ (information.rows[:, None] * b)
    inputs = (a * information.columns) @ a.T
    return (outputs * inputs).sum() / information.rows.sum().clamp_min(torch.finfo(torch.float32).tiny)


def _on_device(information: Information, layer: Any) -> Information:
    device = layer.lora_A[ADAPTER].weight.device
    return Information(information.rows.to(device), information.columns.to(device))


def _copies(layer: Any) -> tuple[Tensor | None, Tensor | None]:
    """Return B and A as they are, or None for a product of zero."""
    b, a = (half[ADAPTER].weight.detach().clone() for half in (layer.lora_B, layer.lora_A))
    return (b, a) if b.any() else (None, None)
