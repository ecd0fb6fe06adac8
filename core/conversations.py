"""Conversations as other tools write them (``messages``, and ShareGPT's ``conversations``), read as labelled pairs."""

from __future__ import annotations

from typing import Any

from doyen.core.manifest import short_id

LISTS = ("messages", "conversations", "conversation")
ROLES = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "system": "system",
    "developer": "system",
}
"""The names of who speaks, in OpenAI's, ShareGPT's and other files."""


def pair_of_conversation(data: Any) -> Any:
    """Return the fields of a pair for a record that holds a conversation; any other record as it is.

    The last message is the response, the user's before it the prompt, and what came earlier the history. A system message
    is left out, since training and answers have one of their own. A record without an id gets one from its content.

    Raises:
        ValueError: a message cannot be read, or the conversation does not end with an answer to a user.
    """
    key = next((key for key in LISTS if isinstance(data, dict) and data.get(key) is not None), None)
    if key is None:
        return data
    if taken := [name for name in ("prompt", "response", "history") if data.get(name) is not None]:
        raise ValueError(f"it has {key!r} and {', '.join(map(repr, taken))}: give the conversation or the pair")
    if not isinstance(data[key], list):
        raise ValueError(f"{key!r} must be a list of messages")
    turns = [turn for turn in map(_turn, data[key]) if turn["role"] != "system"]
    if [turn["role"] for turn in turns[-2:]] != ["user", "assistant"]:
        raise ValueError(f"{key!r} must end with a question of the user and the assistant's answer")
    *history, prompt, response = turns
    rest = {name: value for name, value in data.items() if name not in LISTS and value is not None}
    spoken = [part for turn in turns for part in (turn["role"], turn["content"])]
    return {
        "id": short_id("conversation", *spoken),
        **rest,
        "prompt": prompt["content"],
        "response": response["content"],
        "history": history,
    }


def _turn(message: Any) -> dict[str, str]:
    """Return role and content of a message. Raises ValueError."""
    if not isinstance(message, dict):
        raise ValueError(f"a message must be an object with 'role' and 'content', found {str(message)[:40]!r}")
    name = message.get("role") or message.get("from")
    role = ROLES.get(str(name).lower())
    if role is None:
        raise ValueError(f"a message is by {name!r}: known are {', '.join(ROLES)}")
    content = message["content"] if message.get("content") is not None else message.get("value")
    if isinstance(content, list):
        content = _joined(content)
    if not isinstance(content, str):
        raise ValueError(f"a message by {name!r} holds no text")
    return {"role": role, "content": content}


def _joined(parts: list[Any]) -> str | None:
    """Return the text of a message in parts; None where a part is no text."""
    texts = [part.get("text") if isinstance(part, dict) and part.get("type") == "text" else part for part in parts]
    found = [text for text in texts if isinstance(text, str)]
    return "\n".join(found) if found and len(found) == len(texts) else None
