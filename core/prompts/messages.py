"""Build the messages of a request and turn them into tokens with the model's own chat template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from doyen.core.records import Turn

HISTORY_TURNS = 4
"""Earlier turns that are shown to the model, newest ones kept."""

_FOLDER = Path(__file__).parent
_TEMPLATES = Environment(loader=FileSystemLoader(_FOLDER), undefined=StrictUndefined, autoescape=False)  # noqa: S701 - not HTML


class PromptPassage(Protocol):
    """What a prompt needs of a passage."""

    @property
    def source(self) -> str:
        """Where the passage is from."""

    @property
    def heading(self) -> str:
        """Path of headings above it, or an empty string."""

    @property
    def text(self) -> str:
        """The passage itself."""


def build_messages(
    question: str,
    passages: Sequence[PromptPassage] = (),
    history: Sequence[Turn] = (),
    *,
    short: bool = False,
    instructions: str = "",
    glossary: Mapping[str, str] | None = None,
) -> list[dict[str, str]]:
    """Return the chat messages for a question: fixed system prompt, earlier turns, passages with the question.

    The system prompt comes first and never varies within a mode, so that servers can reuse its computed prefix.

    Args:
        short: ask for the shortest answer to be found in the passages.
        instructions: follow the fixed system prompt.
        glossary: terms of the question with their meanings, which stand before it.
    """
    name = "system_short.txt" if short else "system.txt" if passages else "system_closed.txt"
    system = (_FOLDER / name).read_text(encoding="utf-8").strip()
    content = _TEMPLATES.get_template("question.jinja").render(
        question=question.strip(), passages=list(passages), glossary=glossary or {}
    )
    earlier = [{"role": turn.role, "content": turn.content} for turn in history[-HISTORY_TURNS:]]
    if instructions:
        system = f"{system}\n\n{instructions}"
    return [{"role": "system", "content": system}, *earlier, {"role": "user", "content": content.strip()}]


def encode_prompt(tokenizer: Any, messages: list[dict[str, str]]) -> list[int]:
    """Return the token ids that a model continues: the chat template with the assistant's turn opened.

    Special tokens inside users' or passages' text are encoded as plain text, so that a document cannot end a turn.
    """
    rendered = tokenizer.apply_chat_template(_defused(tokenizer, messages), tokenize=False, add_generation_prompt=True)
    return list(tokenizer(rendered, add_special_tokens=False)["input_ids"])


def encode_example(tokenizer: Any, messages: list[dict[str, str]], response: str) -> tuple[list[int], list[int]]:
    """Return ``(prompt_ids, response_ids)`` of a training example.

    ``prompt_ids`` equals ``encode_prompt`` for the same messages; ``response_ids`` ends with the token at which
    serving stops. They are encoded apart, because serving too sees the prompt alone.
    """
    response_ids = list(tokenizer(response.strip(), add_special_tokens=False)["input_ids"])
    return encode_prompt(tokenizer, messages), [*response_ids, tokenizer.eos_token_id]


def _defused(tokenizer: Any, messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """Break up special tokens in contents with a zero-width space after their first character."""
    specials = sorted(tokenizer.all_special_tokens, key=len, reverse=True)

    def clean(text: str) -> str:
        for special in specials:
            text = text.replace(special, f"{special[0]}\u200b{special[1:]}")
        return text

    return [{**message, "content": clean(message["content"])} for message in messages]
