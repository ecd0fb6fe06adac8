"""The default engine: llama.cpp in a process of its own, adapters chosen per request."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections import Counter
from collections.abc import Generator, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self

from doyen.core.answers import FinishReason
from doyen.core.deadline import time_left
from doyen.core.errors import InputError, NotInTime, ServiceError
from doyen.core.extras import require_module
from doyen.core.files import sha256_file
from doyen.core.manifest import fingerprint
from doyen.core.models import LOADING, GeneratorFiles, cache_folder, resolve_generator
from doyen.core.workspace import Workspace
from doyen.platform.serving.engines.adapter_cache import WEIGHTS, AdapterCache
from doyen.platform.serving.engines.adapter_probe import ProvenAdapters, Scores, probe_points, require_acting
from doyen.platform.serving.engines.gguf_base import serving_gguf
from doyen.platform.serving.engines.gguf_export import export_adapter
from doyen.platform.serving.engines.gguf_probe import choose_adapter, next_scores
from doyen.platform.serving.engines.loops import LoopWatch
from doyen.platform.serving.engines.protocol import AdapterFiles, Generation, GenerationRequest, answer_room, prompt_ids
from doyen.platform.serving.engines.worker_process import END_SECONDS, START_SECONDS, WorkerPlan, WorkerProcess

CONTEXT_TOKENS = 4096
"""Prompt plus answer of one request. Ten passages of 140 words and four earlier turns fit; each slot holds as much."""
EXPORT_VERSION = 1
"""Part of the cached files' names; to be raised when gguf_export writes other bytes."""


class LlamaCppEngine:
    """Serves a GGUF model; see `Engine`.

    A worker's adapters are fixed when it starts. One more adapter means a new worker with a longer list, which takes over
    while the old one finishes its requests.
    """

    def __init__(self, files: GeneratorFiles, *, context: int = CONTEXT_TOKENS, slots: int | None = None) -> None:
        """Prepare the model's file; the worker starts with the first request.

        Args:
            files: the model.
            context: longest prompt plus answer of one request, in tokens.
            slots: requests computed at the same time; None takes one for each core, 2 to 4.

        Raises:
            ModelMissing: the model has no GGUF file.
        """
        self.model = files.name
        self.base_sha256 = files.sha256
        self._files = files
        self._model_file = serving_gguf(files)
        cores = _cores()
        self._context = min(context, _trained_context(files.folder))
        self._slots = slots or min(max(cores, 2), 4)
        self._batch_threads = cores
        self._lock = threading.Lock()
        self._adapters = AdapterCache(files, self._convert)
        self._worker: WorkerProcess | None = None
        self._starting: Future[None] | None = None
        self._running: Counter[WorkerProcess] = Counter()
        self._closed = False
        self._tokenizer: Any = None
        self._proven = ProvenAdapters()
        self._base_scores: dict[tuple[int, ...], Scores] = {}

    @classmethod
    def open(cls, workspace: Workspace) -> Self:
        """Return the engine of a workspace's settings. Raises ModelMissing, and MissingPart without the extra `serve`."""
        require_module("xllamacpp")
        return cls(resolve_generator(workspace.settings.serving.model))

    @property
    def tokenizer(self) -> Any:
        """The Hugging Face tokenizer: prompts are the very tokens of training."""
        with LOADING:
            if self._tokenizer is None:
                from transformers import AutoTokenizer

                self._tokenizer = AutoTokenizer.from_pretrained(self._files.folder)
            return self._tokenizer

    def stream(self, request: GenerationRequest) -> Generator[str | Generation, None, None]:
        """Generate; see `Engine.stream`.

        Raises:
            IncompatibleError: the adapter belongs to another base, GGUF cannot hold it, or it does not act as after training.
            PromptTooLong: the prompt fills the context.
            ServiceError: the worker crashed or stalled; the next request starts a new one.
        """
        prompt = prompt_ids(self.tokenizer, request)
        with self._lease(request.adapter) as (worker, lora):
            body = self._body(request, prompt, lora)
            # Closed explicitly: only a broken connection tells llama.cpp to stop.
            with contextlib.closing(worker.stream(body)) as events:
                yield from _collect(events, len(prompt), request.want_logprobs)

    def close(self) -> None:
        """End the worker, running requests included; later requests fail."""
        with self._lock:
            self._closed = True
            workers = {*self._running, *([self._worker] if self._worker else [])}
            self._worker = None
        for worker in workers:
            worker.close()

    def _body(self, request: GenerationRequest, prompt: list[int], lora: list[dict[str, float]]) -> dict[str, Any]:
        return {
            "prompt": prompt,
            "n_predict": answer_room(len(prompt), request.max_tokens, self._context),
            "temperature": request.temperature,
            "seed": request.seed,
            "stop": list(request.stop),
            "n_probs": 1 if request.want_logprobs else 0,
            "samplers": ["temperature"],
            "cache_prompt": request.reuse_prompt,
            "lora": lora,
            **({"json_schema": dict(request.json_schema)} if request.json_schema else {}),
        }

    @contextlib.contextmanager
    def _lease(self, adapter: AdapterFiles | None) -> Iterator[tuple[WorkerProcess, list[dict[str, float]]]]:
        """Give a live worker that holds the adapter, and the ``lora`` list that chooses it."""
        worker, wanted = self._take_worker(adapter)
        try:
            if adapter is not None and wanted is not None:
                self._proven.require(wanted, lambda: self._prove(worker, adapter, wanted))
            yield worker, choose_adapter(worker, wanted)
        finally:
            with self._lock:
                self._running -= Counter([worker])
                retired = worker not in self._running and worker is not self._worker
            if retired:
                worker.close()

    def _prove(self, worker: WorkerProcess, adapter: AdapterFiles, wanted: Path) -> None:
        """Check that an adapter acts in a worker as it did after training. Raises IncompatibleError."""
        points = probe_points(adapter, lambda: self.tokenizer)
        for point in points:
            if tuple(point.prompt) not in self._base_scores:
                self._base_scores[tuple(point.prompt)] = next_scores(worker, point.prompt, None)
        base = [self._base_scores[tuple(point.prompt)] for point in points]
        require_acting(adapter, "llama.cpp", points, base, [next_scores(worker, point.prompt, wanted) for point in points])

    def _take_worker(self, adapter: AdapterFiles | None) -> tuple[WorkerProcess, Path | None]:
        """Return a live worker that holds the adapter, its use counted, and the adapter's file; wait only where none does.

        Raises:
            NotInTime: a new one is not ready before the request's deadline; it goes on loading for the next request.
            ServiceError: it could not be started.
        """
        while True:
            wanted = self._adapter_file(adapter) if adapter else None
            with self._lock:
                if self._closed:
                    raise InputError("the engine is closed: open a new one")
                worker = self._worker
                if worker and worker.alive and (wanted is None or wanted in worker.plan.adapters):
                    self._running[worker] += 1
                    return worker, wanted
                if self._starting is None:
                    self._starting = Future()
                    # Two folders may hold the same adapter, which must not be applied twice.
                    held = tuple(dict.fromkeys(self._adapters.values()))
                    plan = WorkerPlan(self._model_file, held, self._context, self._slots, self._batch_threads)
                    threading.Thread(target=self._start, args=(plan, self._starting), name="doyen-worker", daemon=True).start()
                starting = self._starting
            try:
                starting.result(time_left(START_SECONDS + END_SECONDS))
            except TimeoutError as error:
                raise NotInTime("the model is still being loaded: ask again in a moment") from error

    def _start(self, plan: WorkerPlan, started: Future[None]) -> None:
        """Start a worker that takes over from the current one, and tell those who wait for it; no lock is held meanwhile."""
        new, problem = None, None
        try:
            new = WorkerProcess(plan)
        except BaseException as error:  # noqa: BLE001 - raised in the threads that wait
            problem = error
        unused: WorkerProcess | None = None
        with self._lock:
            self._starting = None
            if new is not None:
                unused, self._worker = (new, None) if self._closed else (self._worker, new)
        if unused is not None and unused not in self._running:
            unused.close()
        if problem is None:
            started.set_result(None)
        else:
            started.set_exception(problem)

    def _adapter_file(self, adapter: AdapterFiles) -> Path:
        """Return the adapter as GGUF, converted again where the cache folder was emptied."""
        converted = self._adapters.get(adapter)
        if converted.is_file():
            return converted
        self._adapters.clear()
        return self._adapters.get(adapter)

    def _convert(self, adapter: AdapterFiles) -> Path:
        """Write the adapter as GGUF unless it is there; named by content, so that a retrained one is never stale."""
        weights, config = (sha256_file(adapter.folder / name) for name in (WEIGHTS, "adapter_config.json"))
        name = fingerprint([EXPORT_VERSION, weights, config, self.base_sha256])
        target = cache_folder() / "adapters" / f"{name[:32]}.gguf"
        if not target.is_file():
            export_adapter(adapter.folder, self._model_file, target)
        return target


def _collect(
    events: Generator[dict[str, Any], None, None], prompt_tokens: int, want_logprobs: bool
) -> Iterator[str | Generation]:
    """Turn llama.cpp's events into pieces of text and the final Generation."""
    watch = LoopWatch()
    logprobs: list[float] = []
    tokens: list[str] = []
    for event in events:
        if want_logprobs:
            logprobs += [step["logprob"] for step in event.get("completion_probabilities", [])]
            tokens += [step["token"] for step in event.get("completion_probabilities", [])]
        if piece := watch.push(event["content"]):
            yield piece
        if event["stop"] or watch.looping:
            if piece := watch.finish():
                yield piece
            limit = event["stop"] and event["stop_type"] == "limit"
            reason: FinishReason = "repetition" if watch.looping else "length" if limit else "stop"
            yield Generation(watch.text, reason, prompt_tokens, event["tokens_predicted"], logprobs, tokens)
            return
    raise ServiceError("the llama.cpp worker broke its answer off: ask again")


def _trained_context(folder: Path) -> int:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return int(config.get("max_position_embeddings") or CONTEXT_TOKENS)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2
