"""What a technique that needs a model's words asks for, without knowing which engine gives them."""

from __future__ import annotations

from typing import Protocol


class WritingModel(Protocol):
    """Writes an answer to a prompt."""

    @property
    def name(self) -> str:
        """The model's name, kept with what it wrote."""

    def write(self, prompt: str, *, max_tokens: int = 128, temperature: float = 0.0, seed: int = 0) -> str:
        """Return the answer.

        Raises:
            ModelMissing, ServiceError: there is no model, or its server failed.
        """
