"""How an answer is drawn from the model, where a caller says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sampling:
    """What a caller asks of the generation; None and nothing leave it to the settings.

    Attributes:
        temperature: 0 takes the likeliest token each time.
        seed: of the draws.
        stop: texts before which the answer ends.
        json_schema: what the answer's JSON must be; the generator then answers alone, no extract takes its place.
    """

    temperature: float | None = None
    seed: int = 0
    stop: tuple[str, ...] = ()
    json_schema: Mapping[str, Any] | None = None


DEFAULT_SAMPLING = Sampling()
