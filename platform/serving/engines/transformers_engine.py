"""The reference engine: transformers and peft in this process, adapters swapped without reloading the base."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

from doyen.core.answers import FinishReason
from doyen.core.errors import IncompatibleError, InputError
from doyen.core.models import LOADING, GeneratorFiles, resolve_generator, torch_device, torch_dtype
from doyen.core.workspace import Workspace
from doyen.finetune.adapter_reference import next_logprobs
from doyen.platform.serving.engines.adapter_cache import MAX_ADAPTERS, AdapterCache
from doyen.platform.serving.engines.adapter_probe import Scores, probe_points, require_acting
from doyen.platform.serving.engines.loops import LoopWatch
from doyen.platform.serving.engines.protocol import AdapterFiles, Generation, GenerationRequest, answer_room, prompt_ids
from doyen.platform.serving.engines.text_stream import TextStream

if TYPE_CHECKING:
    import torch

_UNKNOWN = ""
"""Stands for the active adapter when adapters were added or removed: the next use sets it anew."""


@dataclass
class _Run:
    """A generation in progress."""

    adapter: str | None
    tokens: list[int]
    cache: Any = None
    logprobs: list[float] = field(default_factory=list)


class TransformersEngine:
    """Serves a Hugging Face folder; see `Engine`.

    One lock guards the model and is taken for each token: several streams take turns, each with its own adapter, and
    none waits for another's reader.
    """

    def __init__(self, files: GeneratorFiles, *, dtype: Literal["auto", "float32", "bfloat16"] = "auto") -> None:
        """Remember the files; the weights are loaded with the first request.

        Args:
            files: the model.
            dtype: "auto" takes bfloat16 where this machine gains from it.
        """
        self.model = files.name
        self.base_sha256 = files.sha256
        self._files = files
        self._dtype = dtype
        self._lock = threading.Lock()
        self._loaded: tuple[Any, Any] | None = None
        self._adapters = AdapterCache(files, self._load_adapter, self._unload_adapter, capacity=MAX_ADAPTERS)
        self._names = (f"adapter_{number}" for number in itertools.count())
        self._active: str | None = None
        self._closed = False

    @classmethod
    def open(cls, workspace: Workspace) -> Self:
        """Return the engine of a workspace's settings. Raises ModelMissing."""
        return cls(resolve_generator(workspace.settings.serving.model))

    @property
    def tokenizer(self) -> Any:
        """The Hugging Face tokenizer."""
        with self._lock:
            return self._parts()[1]

    def stream(self, request: GenerationRequest) -> Generator[str | Generation, None, None]:
        """Generate; see `Engine.stream`.

        Raises:
            IncompatibleError: the adapter belongs to another base, or does not act as after training.
            PromptTooLong: the prompt fills the model's window.
        """
        import torch

        with self._lock:
            model, tokenizer = self._parts()
            prompt = prompt_ids(tokenizer, request)
            room = answer_room(len(prompt), request.max_tokens, getattr(model.config, "max_position_embeddings", None))
            run = _Run(self._adapters.get(request.adapter) if request.adapter else None, prompt)
            ends = _end_tokens(model, tokenizer)
        text, watch = TextStream(tokenizer, request.stop), LoopWatch()
        random = torch.Generator().manual_seed(request.seed)
        reason: FinishReason = "length"
        for _ in range(room):
            token = self._next_token(run, request.temperature, random)
            if token in ends:
                reason = "stop"
                break
            if piece := watch.push(text.push(token)):
                yield piece
            if text.stopped or watch.looping:
                reason = "stop" if text.stopped else "repetition"
                break
        if piece := watch.finish(text.finish()):
            yield piece
        told = request.want_logprobs
        tokens = [tokenizer.decode([token]) for token in run.tokens[len(prompt) :]] if told else []
        yield Generation(watch.text, reason, len(prompt), len(run.logprobs), run.logprobs if told else [], tokens)

    def close(self) -> None:
        """Free the model; later requests fail. A load in progress is not waited for: whoever loads frees the model then."""
        self._closed = True
        if self._lock.acquire(blocking=False):
            self._loaded = None
            self._lock.release()

    def _parts(self) -> tuple[Any, Any]:
        """Return model and tokenizer, loaded on the first call. Call with the lock held."""
        if self._loaded is None and not self._closed:
            with LOADING:
                self._loaded = _load(self._files, self._dtype)
        if self._loaded is None or self._closed:
            self._loaded = None
            raise InputError("the engine is closed: open a new one")
        return self._loaded

    def _load_adapter(self, adapter: AdapterFiles) -> str:
        """Add an adapter to the model. Call with the lock held.

        What is switched on afterwards is not certain: peft chooses the new adapter, but after ``disable_adapters`` it stays
        off. A failed load may leave half an adapter behind, so the model is loaded again then.
        """
        model, _ = self._parts()
        name = next(self._names)
        self._active = _UNKNOWN
        try:
            model.load_adapter(str(adapter.folder), adapter_name=name)
        except BaseException:
            self._loaded, self._active = None, None
            self._adapters.clear()
            raise
        model.eval()
        try:
            self._prove(model, adapter, name)
        except IncompatibleError:
            model.delete_adapter(name)
            raise
        return name

    def _prove(self, model: Any, adapter: AdapterFiles, name: str) -> None:
        """Check that an adapter acts as it did after training. Call with the lock held."""
        points = probe_points(adapter, lambda: self._parts()[1])

        def scores() -> list[Scores]:
            return [dict(enumerate(next_logprobs(model, point.prompt).tolist())) for point in points]

        model.disable_adapters()
        base = scores()
        model.enable_adapters()
        model.set_adapter(name)
        require_acting(adapter, "transformers", points, base, scores())

    def _unload_adapter(self, name: str) -> None:
        self._parts()[0].delete_adapter(name)
        self._active = _UNKNOWN

    def _use(self, adapter: str | None) -> Any:
        """Return the model with exactly this adapter switched on. Call with the lock held."""
        model, _ = self._parts()
        if adapter is None:
            if self._active is not None:
                model.disable_adapters()
        elif adapter not in self._adapters.values():
            raise InputError("the adapter was unloaded while it was answering, because many others are in use: ask again")
        elif adapter != self._active:
            model.enable_adapters()
            model.set_adapter(adapter)
        self._active = adapter
        return model

    def _next_token(self, run: _Run, temperature: float, random: torch.Generator) -> int:
        """Advance a run by one token: greedy at temperature 0, else a draw from the tempered distribution."""
        import torch

        with self._lock, torch.inference_mode():
            model = self._use(run.adapter)
            ids = torch.tensor([run.tokens if run.cache is None else run.tokens[-1:]], device=model.device)
            output = model(input_ids=ids, past_key_values=run.cache, use_cache=True, logits_to_keep=1)
        run.cache = output.past_key_values
        logits = output.logits[0, -1].float().cpu()
        if temperature > 0:
            token = int(torch.multinomial((logits / temperature).softmax(dim=-1), 1, generator=random))
        else:
            token = int(logits.argmax())
        run.logprobs.append(float(logits.log_softmax(dim=-1)[token]))
        run.tokens = [*run.tokens, token]
        return token


def _load(files: GeneratorFiles, dtype: str) -> tuple[Any, Any]:
    """Return model and tokenizer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(files.folder)
    model = AutoModelForCausalLM.from_pretrained(files.folder, dtype=torch_dtype(dtype), use_safetensors=True)
    return model.eval().to(torch_device()), tokenizer


def _end_tokens(model: Any, tokenizer: Any) -> set[int]:
    configured = model.generation_config.eos_token_id
    ends = configured if isinstance(configured, list) else [configured]
    return {token for token in [*ends, tokenizer.eos_token_id] if token is not None}
