"""Where models compute and in which number format: chosen here for training, embedding and serving alike."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from doyen.core.models.loading import load_once

if TYPE_CHECKING:
    import torch


def torch_device() -> str:
    """Return "cuda" where PyTorch has a GPU, else "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def torch_dtype(setting: str) -> torch.dtype:
    """Return the number format of a setting: as named, or with "auto" bfloat16 where this machine computes faster in it."""
    import torch

    if setting == "auto":
        setting = "bfloat16" if torch_device() == "cuda" or _cpu_gains_from_bfloat16() else "float32"
    return torch.bfloat16 if setting == "bfloat16" else torch.float32


@load_once()
def _cpu_gains_from_bfloat16() -> bool:
    """Time one matrix product in both types: flags alone do not tell whether the kernels are fast."""
    import torch

    def seconds(dtype: torch.dtype) -> float:
        a, b = torch.ones(512, 768, dtype=dtype), torch.ones(768, 768, dtype=dtype)
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            a @ b
            best = min(best, time.perf_counter() - start)
        return best

    return seconds(torch.bfloat16) < 0.9 * seconds(torch.float32)
