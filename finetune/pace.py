"""How fast this machine trains: a few items are trained on for a trial, without changing any weight."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor

PROBED = (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
"""Which items are trained on: their places from the shortest to the longest."""
T = TypeVar("T")


@dataclass(frozen=True)
class Pace:
    """How fast this machine trains, as a few items have shown: an item takes ``item + token × its length`` seconds.

    Attributes:
        step: seconds of the optimiser for a step.
        forward: share of an item's time that its loss alone takes, as in validation.
        items: how many were measured.
    """

    item: float
    token: float
    step: float
    forward: float
    items: int

    def seconds(self, lengths: Iterable[int], steps: int) -> float:
        """Return how long training on items of these lengths takes, in so many steps."""
        return sum(self.item + self.token * length for length in lengths) + self.step * steps

    def validation_seconds(self, lengths: Iterable[int]) -> float:
        """Return how long the losses of items of these lengths take."""
        return self.forward * self.seconds(lengths, 0)


def measure_pace(network: Any, items: Sequence[T], length: Callable[[T], int], loss: Callable[[T], Tensor]) -> Pace:
    """Train on a few items between the shortest and the longest, without changing any weight, and measure how long it takes.

    The longest one also brings the memory to where training will have it.

    Args:
        loss: computes an item's loss with gradients.
    """
    ordered = sorted(items, key=length)
    probed = [ordered[place] for place in sorted({round(share * (len(ordered) - 1)) for share in PROBED})]
    claim_threads()
    network.train()
    # The first pass claims the memory that later ones use again: only an item that is longer than all before pays for it.
    loss(probed[-1]).backward()
    times = [_timed(partial(_gradients, loss, item)) for item in probed]
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=0.0, weight_decay=0.0)
    optimiser.step()
    step = _timed(optimiser.step)
    network.zero_grad()
    middle = len(probed) // 2
    with torch.no_grad():
        forward = _timed(lambda: loss(probed[middle])) / times[middle]
    fixed, each = _line([length(item) for item in probed], times)
    return Pace(fixed, each, step, min(forward, 1.0), len(probed))


def claim_threads() -> None:
    """Set PyTorch's number of threads: that turns off MKL's own choice, which on a busy machine comes down to one thread."""
    torch.set_num_threads(torch.get_num_threads())


def _gradients(loss: Callable[[T], Tensor], item: T) -> None:
    loss(item).backward()


def _timed(work: Callable[[], Any]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def _line(lengths: Sequence[int], times: Sequence[float]) -> tuple[float, float]:
    """Return (seconds, seconds a token) of the line through the times by least squares; neither is below 0."""
    mean_length, mean_time = sum(lengths) / len(lengths), sum(times) / len(times)
    spread = sum((length - mean_length) ** 2 for length in lengths)
    if spread == 0:
        return mean_time, 0.0
    both = sum((length - mean_length) * (spent - mean_time) for length, spent in zip(lengths, times, strict=True))
    each = max(both / spread, 0.0)
    fixed = mean_time - each * mean_length
    return (fixed, each) if fixed >= 0 else (0.0, mean_time / mean_length)
