"""An engine as a `WritingModel` and a `FormModel`, for techniques that need a model's words outside of answering."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from doyen.core.errors import InputError, PromptTooLong
from doyen.core.writing_models import Written
from doyen.platform.serving.engines.protocol import AdapterFiles, Engine, GenerationRequest, complete


class EngineWriter:
    """Implements ``WritingModel`` and ``FormModel`` with the base model of an engine, or with an adapter of it."""

    def __init__(self, engine: Engine, adapter: AdapterFiles | None = None) -> None:
        self._engine, self._adapter = engine, adapter
        self._holds = True

    @property
    def name(self) -> str:
        """The base model's name, and the adapter's."""
        return f"{self._engine.model} with {self._adapter.name}" if self._adapter else self._engine.model

    def write(self, prompt: str, *, max_tokens: int = 128, temperature: float = 0.0, seed: int = 0) -> str:
        """Return the model's answer to one message."""
        messages = [{"role": "user", "content": prompt}]
        request = GenerationRequest(
            messages, self._adapter, max_tokens=max_tokens, temperature=temperature, seed=seed, reuse_prompt=False
        )
        return complete(self._engine, request).text.strip()

    def fill(self, prompt: str, form: Mapping[str, Any], *, max_tokens: int, temperature: float, seed: int) -> Written:
        """Return the model's answer to one message, held to a form where the engine can; see `FormModel.fill`."""
        messages = [{"role": "user", "content": prompt}]
        request = GenerationRequest(
            messages,
            self._adapter,
            max_tokens=max_tokens,
            temperature=temperature,
            seed=seed,
            json_schema=form if self._holds else None,
            reuse_prompt=False,
        )
        try:
            made = complete(self._engine, request)
        except PromptTooLong:
            raise
        except InputError:
            if not self._holds:
                raise
            # A server that knows no schemas refuses the request: it is asked without from now on.
            self._holds = False
            made = complete(self._engine, replace(request, json_schema=None))
        return Written(made.text, made.prompt_tokens, made.completion_tokens)
