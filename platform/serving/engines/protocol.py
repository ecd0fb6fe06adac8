"""The interface of engines, and what they take and give."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from doyen.core.answers import FinishReason
from doyen.core.errors import PromptTooLong
from doyen.core.prompts import encode_prompt

LEAST_ANSWER = 16
"""Tokens that a prompt must leave; with fewer, passages are dropped instead of answering in three words."""


@dataclass(frozen=True)
class AdapterFiles:
    """An adapter as an engine needs it.

    Attributes:
        name: "name:version", as in the registry.
        folder: PEFT folder (adapter_config.json, adapter_model.safetensors).
        base_sha256: weights that it was trained on.
    """

    name: str
    folder: Path
    base_sha256: str


@dataclass(frozen=True)
class GenerationRequest:
    """What to generate.

    Attributes:
        messages: chat messages with "role" and "content".
        prompt: a text to go on from as it stands, in place of messages, without a chat template.
        adapter: None for the base model.
        max_tokens: longest answer; cut to what the model's window leaves beside the prompt.
        want_logprobs: whether to fill ``logprobs`` of the usage piece; engines that cannot leave it empty.
        json_schema: the answer is to be JSON of this schema; engines that cannot hold the model to it leave it unheeded.
        reuse_prompt: whether the reading may start from an earlier prompt with the same beginning. It rounds differently
            then, so that a close decision can fall either way: False makes the answer one of the request alone.
    """

    messages: Sequence[dict[str, str]]
    adapter: AdapterFiles | None = None
    max_tokens: int = 128
    temperature: float = 0.0
    seed: int = 0
    stop: Sequence[str] = ()
    want_logprobs: bool = False
    reuse_prompt: bool = True
    json_schema: Mapping[str, Any] | None = None
    prompt: str | None = None


@dataclass(frozen=True)
class Generation:
    """A finished answer.

    Attributes:
        logprobs: natural log-probability of each generated token, end token included; empty unless asked for.
        tokens: the text of each of them; empty unless asked for.
    """

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    logprobs: list[float] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)


class Engine(Protocol):
    """Generates text with a base model and, chosen per request, one of its adapters."""

    @property
    def model(self) -> str:
        """The base model's name."""

    @property
    def base_sha256(self) -> str:
        """SHA-256 of the base weights; empty for remote servers, which cannot tell."""

    def stream(self, request: GenerationRequest) -> Generator[str | Generation, None, None]:
        """Yield pieces of text as they come and at the end exactly one ``Generation`` with the whole text.

        Closing the iterator early stops the generation. Safe to call from several threads.

        Raises:
            IncompatibleError: the adapter does not fit this base or engine.
            PromptTooLong: the prompt leaves no room for an answer in the model's window.
            ServiceError: the model server failed.
        """

    def close(self) -> None:
        """Free the model and end worker processes."""


def complete(engine: Engine, request: GenerationRequest) -> Generation:
    """Run a request to its end and return the whole answer."""
    for piece in engine.stream(request):
        if isinstance(piece, Generation):
            return piece
    raise AssertionError("an engine's stream must end with a Generation")


def prompt_ids(tokenizer: Any, request: GenerationRequest) -> list[int]:
    """Return the token ids that a request goes on from."""
    if request.prompt is None:
        return encode_prompt(tokenizer, list(request.messages))
    return list(tokenizer(request.prompt)["input_ids"])


def answer_room(prompt_tokens: int, max_tokens: int, window: int | None) -> int:
    """Return ``max_tokens``, cut to what the model's window leaves beside the prompt.

    Args:
        prompt_tokens: length of the prompt.
        max_tokens: longest answer that was asked for.
        window: tokens of prompt and answer together; None where the model has no limit.

    Raises:
        PromptTooLong: the prompt itself leaves no room.
    """
    if window is None:
        return max_tokens
    left = window - prompt_tokens
    if left < min(max_tokens, LEAST_ANSWER):
        raise PromptTooLong(
            f"the prompt has {prompt_tokens} tokens and the model takes {window}, answer included: "
            "ask a shorter question or show fewer passages"
        )
    return min(max_tokens, left)
