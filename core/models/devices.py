"""Where models compute and in which number format: chosen here for training, embedding and serving alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from doyen.core.models.loading import load_once

if TYPE_CHECKING:
    import torch

FLOAT32, BFLOAT16 = "float32", "bfloat16"
BFLOAT16_FEATURES = ("amx_bf16", "avx512_bf16", "sve_bf16", "bf16")
"""Any of them lets a processor multiply in bfloat16: on x86-64 the first two, on ARM64 the last two."""
ROUNDS = 15
GAIN = 0.8
"""Share of float32's time that bfloat16 may take at most: what lies between is not worth its rounding."""


ALL_LAYERS = 999
"""llama.cpp puts as many layers on a GPU as a model has, at most so many."""


@dataclass(frozen=True)
class DeviceTable:
    """What a machine and its packages can compute with.

    Attributes:
        cuda: PyTorch finds an NVIDIA GPU, or an AMD one by ROCm.
        mps: PyTorch finds Apple's GPU.
        bitsandbytes: the package that keeps weights in four bits is installed.
        llamacpp_gpu: llama.cpp was built for a GPU, and finds one.
    """

    cuda: bool = False
    mps: bool = False
    bitsandbytes: bool = False
    llamacpp_gpu: bool = False


@dataclass(frozen=True)
class Devices:
    """Where models compute.

    Attributes:
        torch: training, embedding, reading, and the transformers engine.
        gpu_layers: layers of a model that llama.cpp puts on a GPU.
        four_bits: why a base model cannot be kept in four bits for training (QLoRA); empty where it can.
    """

    torch: Literal["cuda", "mps", "cpu"]
    gpu_layers: int
    four_bits: str


def choose_devices(table: DeviceTable) -> Devices:
    """Return where models compute on a machine: its GPU where there is one."""
    reasons = [
        *([] if table.cuda else ["PyTorch finds no CUDA GPU"]),
        *([] if table.bitsandbytes else ["bitsandbytes is not installed (`pip install bitsandbytes`)"]),
    ]
    return Devices(
        torch="cuda" if table.cuda else "mps" if table.mps else "cpu",
        gpu_layers=ALL_LAYERS if table.llamacpp_gpu else 0,
        four_bits=", and ".join(reasons),
    )


def device_table() -> DeviceTable:
    """Return what this machine has; llama.cpp is asked by its worker alone (`is_llamacpp_gpu`), which loads it."""
    import torch

    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    return DeviceTable(cuda, mps, find_spec("bitsandbytes") is not None)


def is_llamacpp_gpu(kind: str) -> bool:
    """Return whether a kind of device, as llama.cpp's backends name it, is a GPU, integrated or not."""
    return kind.endswith("GPU")


def torch_device() -> str:
    """Return "cuda", "mps" or "cpu": where PyTorch computes on this machine."""
    return choose_devices(device_table()).torch


def number_format(setting: str) -> str:
    """Return "float32" or "bfloat16": what a setting names, or with "auto" what suits this machine."""
    if setting != "auto":
        return setting
    device = torch_device()
    # Not every Apple GPU and system multiplies in bfloat16.
    return BFLOAT16 if device == "cuda" or (device == "cpu" and _cpu_gains_from_bfloat16()) else FLOAT32


def torch_dtype(setting: str) -> torch.dtype:
    """Return the number format of a setting as PyTorch's type; see ``number_format``."""
    import torch

    return torch.bfloat16 if number_format(setting) == BFLOAT16 else torch.float32


def gains(usual: Callable[[], object], other: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> bool:
    """Return whether another way of computing takes at most GAIN of the usual one's time.

    The two take turns, and the fastest of ROUNDS counts for each, so that other work on the machine, which only ever makes
    a round slower, does not decide.
    """
    best = {usual: float("inf"), other: float("inf")}
    for _ in range(ROUNDS):
        for compute in best:
            start = clock()
            compute()
            best[compute] = min(best[compute], clock() - start)
    return best[other] <= GAIN * best[usual]


@load_once()
def _cpu_gains_from_bfloat16() -> bool:
    """Ask the processor's features, then time a matrix product: with the features alone it may be half as fast."""
    import torch

    features = torch.cpu.get_capabilities()
    if not any(features.get(name) for name in BFLOAT16_FEATURES):
        return False

    def product(dtype: torch.dtype) -> Callable[[], object]:
        a, b = torch.ones(512, 768, dtype=dtype), torch.ones(768, 768, dtype=dtype)
        return lambda: a @ b

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # Threads that wait for a busy core would be timed, too.
    try:
        return gains(product(torch.float32), product(torch.bfloat16))
    finally:
        torch.set_num_threads(threads)
