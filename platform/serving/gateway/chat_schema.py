"""The part of OpenAI's chat schema that this gateway takes, and how it becomes a question.

Unknown fields are let through, because clients send many. Fields that would change what the answer *is* and cannot be
honoured (tools, several choices, JSON mode) are refused instead of being ignored.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from doyen.core.errors import InputError
from doyen.core.records import Turn
from doyen.platform.serving.plan import check_question

SYSTEM_IGNORED = (
    "system and developer messages are not shown to the model: its instructions are part of what adapters were trained on"
)
SAMPLING_IGNORED = "temperature, top_p, seed, stop and penalties have no effect: sampling is set in the workspace's settings"
_SAMPLING = ("temperature", "top_p", "seed", "stop", "presence_penalty", "frequency_penalty", "logit_bias")
_UNSUPPORTED = ("tools", "functions", "audio", "logprobs", "top_logprobs")
MAX_MESSAGES = 200


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
    n: int | None = None

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

    def check_supported(self) -> None:
        """Refuse what would change the answer and cannot be honoured.

        Raises:
            InputError: naming the field.
        """
        if self.n not in {None, 1}:
            raise InputError(f"n = {self.n} is not supported: each request gets one answer")
        extra = self.model_extra or {}
        for name in _UNSUPPORTED:
            if extra.get(name):
                raise InputError(f"{name} is not supported: leave it out")
        wanted = extra.get("response_format")
        if isinstance(wanted, dict) and wanted.get("type") not in {None, "text"}:
            raise InputError(f"response_format {wanted.get('type')!r} is not supported: answers are text")

    def warnings(self) -> list[str]:
        """Return what of the request had no effect, for the response to say so."""
        notes = []
        if any(message.role in {"system", "developer"} for message in self.messages):
            notes.append(SYSTEM_IGNORED)
        extra: dict[str, Any] = self.model_extra or {}
        if any(extra.get(name) is not None for name in _SAMPLING):
            notes.append(SAMPLING_IGNORED)
        return notes
