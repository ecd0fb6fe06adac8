"""What a technique that needs a model's words asks for, without knowing which engine gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


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


@dataclass(frozen=True)
class Written:
    """An answer, with what it took.

    Attributes:
        prompt_tokens, completion_tokens: as the model's server counts them; 0 where it does not say.
    """

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0


class FormModel(Protocol):
    """Writes answers in a form, where it can be held to one; who asks checks the answer in any case."""

    @property
    def name(self) -> str:
        """The model's name, kept with what it wrote."""

    def fill(self, prompt: str, form: Mapping[str, Any], *, max_tokens: int, temperature: float, seed: int) -> Written:
        """Return the answer, which is to be JSON of this form.

        Args:
            form: a JSON schema.

        Raises:
            ModelMissing, ServiceError: there is no model, or its server failed.
            PromptTooLong: the prompt does not fit the model's window.
        """
