"""How long an answer may be beside its prompt."""

from __future__ import annotations

from doyen.core.errors import PromptTooLong

LEAST_ANSWER = 16
"""Tokens that a prompt must leave; with fewer, passages are dropped instead of answering in three words."""


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
