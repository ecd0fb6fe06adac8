"""The part of OpenAI's chat schema that this gateway takes, and how it becomes a question.

Unknown fields are let through, because clients send many. Fields that would change what the answer *is* and cannot be
honoured (tools, penalties) are refused with a reason instead of being ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from doyen.core.assistant_profile import MAX_CHARS
from doyen.core.errors import InputError
from doyen.core.modes import Mode
from doyen.core.records import Turn
from doyen.platform.serving.plan import check_question
from doyen.platform.serving.sampling import Sampling

SYSTEM_IGNORED = "system and developer messages have no effect on quotations: mode extract has no prompt"
UNSUPPORTED = {
    "tools": "answers come from documents and are text",
    "functions": "answers come from documents and are text",
    "audio": "answers are text",
    "logprobs": "an answer may be an extract or a refusal, which no model has drawn; POST /v1/completions has them",
    "top_logprobs": "an answer may be an extract or a refusal, which no model has drawn",
    "logit_bias": "tokens cannot be favoured",
}
"""Fields that cannot be honoured, and why."""
NEUTRAL = {"top_p": 1, "presence_penalty": 0, "frequency_penalty": 0}
"""Fields that many clients send, and the value with which they ask for nothing."""
MAX_MESSAGES = 200
MAX_CHOICES = 8
MAX_STOPS = 4
SEEDS = 2**31
"""Engines take seeds below it."""
Stop = str | list[str]


class ContentPart(BaseModel):
    """One part of a message's content; only text can be read."""

    model_config = ConfigDict(extra="allow")

    type: str
    text: str | None = None


class Message(BaseModel):
    """One message of the conversation."""

    model_config = ConfigDict(extra="allow")

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[ContentPart] | None = None

    def plain_text(self) -> str:
        """Return the content as text.

        Raises:
            InputError: a part is not text.
        """
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        for part in self.content:
            if part.type != "text" or part.text is None:
                raise InputError(f"content parts of type {part.type!r} cannot be read: send text only")
        return "\n".join(part.text or "" for part in self.content)


class StreamOptions(BaseModel):
    """Options of a streamed answer."""

    model_config = ConfigDict(extra="allow")

    include_usage: bool | None = None


class ChatRequest(BaseModel):
    """``POST /v1/chat/completions``. As in OpenAI's API, null is the same as leaving a field out.

    Attributes:
        model: a mode (base, rag, finetune, hybrid, …), "best", or "mode@adapter", or "mode@adapter:version".
        messages: the last one is the question, the user and assistant messages before it are its history.
    """

    model_config = ConfigDict(extra="allow")

    model: str = Field(min_length=1, max_length=200)
    messages: list[Message] = Field(min_length=1, max_length=MAX_MESSAGES)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    n: int | None = Field(None, ge=1, le=MAX_CHOICES)
    temperature: float | None = Field(None, ge=0, le=2)
    seed: int | None = None
    stop: Stop | None = None
    response_format: dict[str, Any] | None = None

    @property
    def choices(self) -> int:
        """How many answers are wanted."""
        return self.n or 1

    def sampling(self) -> Sampling:
        """Return how the answers are drawn; the seed is that of the first.

        Raises:
            InputError: a stop text is empty, or there are too many, or the response format is not known.
        """
        return Sampling(self.temperature, (self.seed or 0) % SEEDS, stop_texts(self.stop), json_schema_of(self.response_format))

    @property
    def token_limit(self) -> int | None:
        """The longest answer that the client wants, in tokens; the newer of OpenAI's two names wins."""
        return self.max_completion_tokens or self.max_tokens

    def conversation(self, max_chars: int) -> tuple[str, list[Turn]]:
        """Return the question and the turns before it.

        Raises:
            InputError: the last message is not a user's, is empty, or a message is longer than ``max_chars``.
        """
        if self.messages[-1].role != "user":
            raise InputError("the last message must be the user's question")
        turns: list[Turn] = []
        for message in self.messages:
            if message.role == "system" or message.role == "developer":
                continue
            text = message.plain_text()
            if len(text) > max_chars:
                raise InputError(f"a message has {len(text):,} characters, the limit is {max_chars:,}: shorten it")
            if message.role == "user" or text.strip():
                turns.append(Turn(role=message.role, content=text))
        return check_question(turns.pop().content, max_chars), turns

    def instructions(self) -> str:
        """Return what the system and developer messages say.

        Raises:
            InputError: they are too long.
        """
        told = [message.plain_text().strip() for message in self.messages if message.role in {"system", "developer"}]
        text = "\n".join(part for part in told if part)
        if len(text) > MAX_CHARS:
            raise InputError(f"system messages have {len(text):,} characters, the limit is {MAX_CHARS:,}: shorten them")
        return text

    def check_supported(self) -> None:
        """Refuse what would change the answer and cannot be honoured.

        Raises:
            InputError: naming the field.
        """
        if self.choices > 1 and self.stream:
            raise InputError(f"n = {self.n} is not supported with stream: ask without stream, or {self.n} times")
        refuse_unsupported(self.model_extra or {})

    def warnings(self) -> list[str]:
        """Return what of the request had no effect, for the response to say so."""
        notes = []
        if self.instructions() and self.model == Mode.EXTRACT:
            notes.append(SYSTEM_IGNORED)
        return notes


def refuse_unsupported(extra: Mapping[str, Any]) -> None:
    """Refuse fields that would change an answer and cannot be honoured.

    Raises:
        InputError: naming the field and why.
    """
    for name, why in UNSUPPORTED.items():
        if extra.get(name):
            raise InputError(f"{name} is not supported, because {why}: leave it out")
    for name, neutral in NEUTRAL.items():
        if extra.get(name) not in {None, neutral}:
            raise InputError(f"{name} = {extra[name]} is not supported, tokens are drawn by temperature alone: leave it out")


def stop_texts(stop: Stop | None) -> tuple[str, ...]:
    """Return the texts before which an answer ends.

    Raises:
        InputError: one is empty, or there are more than four.
    """
    texts = (stop,) if isinstance(stop, str) else tuple(stop or ())
    if len(texts) > MAX_STOPS or not all(texts):
        raise InputError(f"stop takes up to {MAX_STOPS} texts that are not empty")
    return texts


def json_schema_of(wanted: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return the JSON schema that a response format asks for; None for text.

    Raises:
        InputError: the format is not known, or has no schema.
    """
    match (wanted or {}).get("type"):
        case None | "text":
            return None
        case "json_object":
            return {"type": "object"}
        case "json_schema":
            schema = (wanted or {}).get("json_schema", {}).get("schema")
            if isinstance(schema, dict):
                return schema
            raise InputError("response_format of type json_schema needs json_schema.schema, an object")
        case other:
            raise InputError(f"response_format {other!r} is not supported: choose text, json_object or json_schema")
