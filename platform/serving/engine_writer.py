"""The workspace's engine as a `WritingModel`, for techniques that need a model's words outside of answering."""

from __future__ import annotations

from doyen.platform.serving.engines.protocol import Engine, GenerationRequest, complete


class EngineWriter:
    """Implements ``WritingModel`` with the base model of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def name(self) -> str:
        """The base model's name."""
        return self._engine.model

    def write(self, prompt: str, *, max_tokens: int = 128, temperature: float = 0.0, seed: int = 0) -> str:
        """Return the model's answer to one message."""
        messages = [{"role": "user", "content": prompt}]
        request = GenerationRequest(messages, max_tokens=max_tokens, temperature=temperature, seed=seed, reuse_prompt=False)
        return complete(self._engine, request).text.strip()
