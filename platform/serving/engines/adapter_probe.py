"""Whether an adapter that was just loaded really acts: it differs from the base, and as much as it did after its training."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from doyen.core.errors import IncompatibleError
from doyen.finetune.adapter_reference import ReferencePoint, effect_of, probe_prompts, read_reference
from doyen.platform.serving.engines.protocol import AdapterFiles

Scores = Mapping[int, float]
"""Natural log-probability of next tokens, by id; the likeliest are enough."""


def probe_points(adapter: AdapterFiles, tokenizer: Callable[[], Any]) -> list[ReferencePoint]:
    """Return the reference of an adapter; without one its prompts alone, which show whether it acts at all."""
    found = read_reference(adapter.folder)
    return found or [ReferencePoint(prompt, [], [], []) for prompt in probe_prompts(tokenizer())]


def require_acting(
    adapter: AdapterFiles, engine: str, points: Sequence[ReferencePoint], base: Sequence[Scores], adapted: Sequence[Scores]
) -> None:
    """Let an adapter serve that acts.

    Raises:
        IncompatibleError: it changes nothing, or not what it changed after training.
    """
    if problem := effect_of(points, base, adapted).problem:
        raise IncompatibleError(
            f"adapter {adapter.name!r} does not act in {engine} as it was trained to: {problem}. Its files are damaged or "
            f"{engine} cannot serve it: train it again, or set another engine under [serving]"
        )


class ProvenAdapters:
    """Adapters that were probed where they are loaded, each once, and those that failed. Thread-safe."""

    def __init__(self) -> None:
        self._verdicts: dict[Any, IncompatibleError | None] = {}
        self._locks: dict[Any, threading.Lock] = {}
        self._lock = threading.Lock()

    def require(self, key: object, probe: Callable[[], None]) -> None:
        """Run the probe of an adapter unless its outcome is known; others who ask for the same one wait.

        Raises:
            IncompatibleError: it failed, now or before. Other errors of the probe decide nothing.
        """
        with self._lock:
            own = self._locks.setdefault(key, threading.Lock())
        with own:
            if key not in self._verdicts:
                try:
                    probe()
                    self._verdicts[key] = None
                except IncompatibleError as error:
                    self._verdicts[key] = error
            if (failed := self._verdicts[key]) is not None:
                raise IncompatibleError(str(failed))
