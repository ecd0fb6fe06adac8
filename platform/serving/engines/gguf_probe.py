"""What a GGUF file makes of prompts in llama.cpp: the next tokens' log-probabilities, from a worker of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from doyen.core.errors import ServiceError
from doyen.platform.serving.engines.worker_process import WorkerPlan, WorkerProcess

PROBE_TOKENS = 1000
"""Likeliest next tokens that a probe asks for: those that an adapter raises are far down the list without it."""


def next_scores(worker: WorkerProcess, prompt: list[int], adapter: Path | None) -> dict[int, float]:
    """Return the log-probabilities of the likeliest next tokens, with one of the worker's adapters or none.

    Raises:
        ServiceError: the worker failed.
    """
    choice = {"n_predict": 1, "n_probs": PROBE_TOKENS, "temperature": 0.0, "samplers": ["temperature"]}
    body = {**choice, "prompt": prompt, "cache_prompt": False, "lora": choose_adapter(worker, adapter)}
    with contextlib.closing(worker.stream(body)) as events:
        steps = [step for event in events for step in event.get("completion_probabilities", [])]
    if not steps:
        raise ServiceError("the llama.cpp worker told no probabilities: ask again")
    return {each["id"]: each["logprob"] for each in steps[0]["top_logprobs"]}


def choose_adapter(worker: WorkerProcess, wanted: Path | None) -> list[dict[str, float]]:
    """Return the ``lora`` list of a request that chooses one of a worker's adapters, or none."""
    return [{"id": number, "scale": 1.0 if path == wanted else 0.0} for number, path in enumerate(worker.plan.adapters)]


def file_scores(model: Path, adapter: Path | None, prompts: Sequence[list[int]]) -> list[dict[int, float]]:
    """Return what a model's file, with or without an adapter's file, makes of prompts.

    Raises:
        ServiceError: llama.cpp cannot load them.
    """
    context = max(map(len, prompts)) + 64
    worker = WorkerProcess(WorkerPlan(model, (adapter,) if adapter else (), context, slots=1, batch_threads=2))
    try:
        return [next_scores(worker, prompt, adapter) for prompt in prompts]
    finally:
        worker.close()
