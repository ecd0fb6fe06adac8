"""The reference engine: transformers and peft in this process, adapters swapped without reloading the base."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from doyen.core.answers import FinishReason
from doyen.core.errors import IncompatibleError, InputError
from doyen.core.models import LOADING, GeneratorFiles, wants_bfloat16
from doyen.core.prompts import encode_prompt
from doyen.platform.serving.engines.loops import LoopWatch
from doyen.platform.serving.engines.protocol import AdapterFiles, Generation, GenerationRequest
from doyen.platform.serving.engines.text import TextStream
from doyen.platform.serving.engines.window import answer_room

if TYPE_CHECKING:
    import torch

MAX_ADAPTERS = 8
"""Adapters held in memory; the one unused for longest makes room."""
_UNKNOWN = ""
"""Stands for the active adapter when adapters were added or removed: the next use sets it anew."""


@dataclass
class _Run:
    """A generation in progress."""

    adapter: str | None
    cache: Any
    tokens: list[int]
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
            dtype: "auto" takes bfloat16 where this processor gains from it.
        """
        self._files = files
        self._dtype = dtype
        self._lock = threading.Lock()
        self._loaded: tuple[Any, Any] | None = None
        self._names: dict[tuple[Any, ...], str] = {}
        self._active: str | None = None
        self._closed = False

    @property
    def model(self) -> str:
        """The base model's name."""
        return self._files.name

    @property
    def base_sha256(self) -> str:
        """SHA-256 of the base weights that adapters are bound to."""
        return self._files.sha256

    @property
    def tokenizer(self) -> Any:
        """The Hugging Face tokenizer."""
        with self._lock:
            return self._parts()[1]

    def stream(self, request: GenerationRequest) -> Generator[str | Generation, None, None]:
        """Generate; see `Engine.stream`.

        Raises:
            IncompatibleError: the adapter belongs to another base.
            PromptTooLong: the prompt fills the model's window.
        """
        import torch

        tokenizer = self.tokenizer
        prompt, room = self._prompt(tokenizer, request)
        run = _Run(self._adapter_name(request.adapter), None, prompt)
        text, watch = TextStream(tokenizer, request.stop), LoopWatch()
        random = torch.Generator().manual_seed(request.seed)
        ends = self._end_tokens()
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
        logprobs = run.logprobs if request.want_logprobs else []
        yield Generation(watch.text, reason, len(prompt), len(run.logprobs), logprobs)

    def score(self, request: GenerationRequest, continuations: Sequence[str]) -> list[float]:
        """Return mean log-probabilities; see `Engine.score`.

        Raises:
            IncompatibleError, InputError: as in ``stream``.
        """
        import torch

        tokenizer = self.tokenizer
        prompt, _ = self._prompt(tokenizer, request)
        adapter = self._adapter_name(request.adapter)
        scores = []
        for text in continuations:
            tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
            with self._lock, torch.inference_mode():
                model = self._use(adapter)
                output = model(input_ids=torch.tensor([prompt + tokens]), logits_to_keep=len(tokens) + 1)
            logprobs = output.logits[0, :-1].float().log_softmax(dim=-1)
            scores.append(float(logprobs.gather(1, torch.tensor(tokens)[:, None]).mean()))
        return scores

    def close(self) -> None:
        """Free the model; later requests fail."""
        with self._lock:
            self._loaded = None
            self._closed = True

    def _parts(self) -> tuple[Any, Any]:
        """Return model and tokenizer, loaded on the first call. Call with the lock held."""
        if self._closed:
            raise InputError("the engine is closed: open a new one")
        if self._loaded is None:
            with LOADING:
                self._loaded = _load(self._files, self._dtype)
        return self._loaded

    def _end_tokens(self) -> set[int]:
        with self._lock:
            model, tokenizer = self._parts()
        configured = model.generation_config.eos_token_id
        ends = configured if isinstance(configured, list) else [configured]
        return {token for token in [*ends, tokenizer.eos_token_id] if token is not None}

    def _prompt(self, tokenizer: Any, request: GenerationRequest) -> tuple[list[int], int]:
        """Return the prompt and how many tokens its answer may have."""
        tokens = encode_prompt(tokenizer, list(request.messages))
        with self._lock:
            window = getattr(self._parts()[0].config, "max_position_embeddings", None)
        return tokens, answer_room(len(tokens), request.max_tokens, window)

    def _adapter_name(self, adapter: AdapterFiles | None) -> str | None:
        """Load the adapter unless it is, and return its name inside the model; None is the base."""
        if adapter is None:
            return None
        if adapter.base_sha256 != self.base_sha256:
            raise IncompatibleError(
                f"adapter {adapter.name!r} was trained on a base with sha256 {adapter.base_sha256[:12]}…, but the engine "
                f"serves {self.model!r} ({self.base_sha256[:12]}…): train it again on this base, or set serving.model"
            )
        weights = adapter.folder / "adapter_model.safetensors"
        if not weights.is_file():
            raise IncompatibleError(f"adapter {adapter.name!r} has no weights in {adapter.folder}: train it again")
        stat = weights.stat()
        key = (weights, stat.st_size, stat.st_mtime_ns)
        with self._lock:
            model, _ = self._parts()
            name = self._names.pop(key, None)
            if name is None:
                # peft's module names take no dots or colons.
                name = f"adapter_{abs(hash(key)):x}"
                self._load(model, adapter, name)
            self._names[key] = name
            if len(self._names) > MAX_ADAPTERS:
                model.delete_adapter(self._names.pop(next(iter(self._names))))
                self._active = _UNKNOWN
        return name

    def _load(self, model: Any, adapter: AdapterFiles, name: str) -> None:
        """Add an adapter to the model. Call with the lock held.

        What is switched on afterwards is not certain: peft chooses the new adapter, but after ``disable_adapters`` it stays
        off. A failed load may leave half an adapter behind, so the model is loaded again then.
        """
        self._active = _UNKNOWN
        try:
            model.load_adapter(str(adapter.folder), adapter_name=name)
        except BaseException:
            self._loaded, self._active = None, None
            self._names.clear()
            raise
        model.eval()

    def _use(self, adapter: str | None) -> Any:
        """Return the model with exactly this adapter switched on. Call with the lock held."""
        model, _ = self._parts()
        if adapter is None:
            if self._active is not None:
                model.disable_adapters()
        elif adapter not in self._names.values():
            raise InputError("the adapter was unloaded while it was answering, because many others are in use: ask again")
        elif adapter != self._active:
            model.enable_adapters()
            model.set_adapter(adapter)
        self._active = adapter
        return model

    def _next_token(self, run: _Run, temperature: float, random: torch.Generator) -> int:
        """Advance a run by one token: greedy at temperature 0, else a draw from the tempered distribution."""
        import torch

        ids = torch.tensor([run.tokens if run.cache is None else run.tokens[-1:]])
        with self._lock, torch.inference_mode():
            model = self._use(run.adapter)
            output = model(input_ids=ids, past_key_values=run.cache, use_cache=True, logits_to_keep=1)
        run.cache = output.past_key_values
        logits = output.logits[0, -1].float()
        if temperature > 0:
            token = int(torch.multinomial((logits / temperature).softmax(dim=-1), 1, generator=random))
        else:
            token = int(logits.argmax())
        run.logprobs.append(float(logits.log_softmax(dim=-1)[token]))
        run.tokens = [*run.tokens, token]
        return token


def _load(files: GeneratorFiles, setting: str) -> tuple[Any, Any]:
    """Return model and tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    dtype = torch.bfloat16 if wants_bfloat16(setting) else torch.float32
    tokenizer = AutoTokenizer.from_pretrained(files.folder)
    model = AutoModelForCausalLM.from_pretrained(files.folder, dtype=dtype, use_safetensors=True)
    return model.eval(), tokenizer
