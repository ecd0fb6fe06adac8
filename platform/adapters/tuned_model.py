"""The truth about an adapter: its base model with it, in full precision, as transformers and peft compute it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from doyen.core.errors import IncompatibleError
from doyen.core.models import LOADING, GeneratorFiles
from doyen.finetune.adapter_reference import Effect, ReferencePoint, effect_of, measure_reference, next_logprobs, read_reference

COPY = "copy"
"""PEFT's name of a second adapter."""
Scores = list[dict[int, float]]
"""Log-probabilities of next tokens by id, for each prompt of a probe."""


class TunedModel:
    """A base model and one adapter in float32, and what they make of the prompts of a probe.

    Attributes:
        model: the PEFT model.
        points: likely next tokens without and with the adapter.
    """

    def __init__(self, base: GeneratorFiles, folder: Path) -> None:
        """Load both.

        Raises:
            IncompatibleError: the adapter does not fit the base, or does not act as its own reference says.
        """
        from peft import PeftModel
        from transformers import AutoTokenizer

        self.tokenizer: Any = AutoTokenizer.from_pretrained(base.folder)
        plain = load_float32(base.folder)
        try:
            self.model: Any = PeftModel.from_pretrained(plain, str(folder)).eval()
        except (RuntimeError, ValueError, KeyError) as error:
            raise IncompatibleError(f"the adapter in {folder} does not fit {base.name!r}: {error}") from error
        self.points = measure_reference(self.model, self.tokenizer)
        with self.model.disable_adapter():
            self._base = self.scores(self.model)
        if problem := self.effect(self.scores(self.model), known=read_reference(folder)).problem:
            raise IncompatibleError(f"the adapter in {folder} does not act on {base.name!r} as it was trained to: {problem}")

    def effect(self, adapted: Scores, *, base: Scores | None = None, known: list[ReferencePoint] | None = None) -> Effect:
        """Return how something acts beside this adapter.

        Args:
            adapted: its log-probabilities.
            base: those without an adapter, from the same engine; None takes those of this model.
            known: a reference in the place of what this adapter does.
        """
        return effect_of(known or self.points, base or self._base, adapted)

    def effect_of_copy(self, folder: Path) -> Effect:
        """Return how a copy of the adapter acts on the same base."""
        own = self.model.active_adapter
        self.model.load_adapter(str(folder), adapter_name=COPY)
        self.model.set_adapter(COPY)
        try:
            return self.effect(self.scores(self.model))
        finally:
            self.model.set_adapter(own)
            self.model.delete_adapter(COPY)

    def scores(self, model: Any) -> Scores:
        """Return what a model makes of the prompts."""
        return [dict(enumerate(next_logprobs(model, point.prompt).tolist())) for point in self.points]


def load_float32(folder: Path) -> Any:
    """Return the model of a folder with safetensors, for exact comparison."""
    import torch
    from transformers import AutoModelForCausalLM

    with LOADING:
        return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, use_safetensors=True).eval()
