"""``assistant.toml``: who the assistant is, how it speaks and which words it must know, read into every prompt.

name = "Quill"
tone = "friendly, in whole sentences"
instructions = "Name the manual and its section. Never give advice on electrical work."

[glossary]
PX-90 = "the pump of the Heron line"
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from doyen.core.errors import SettingsError
from doyen.core.manifest import fingerprint

FILE_NAME = "assistant.toml"
MAX_CHARS = 2000
"""Longest instructions: they are read with every question, and a small model forgets the rest over them."""
MAX_TERMS = 5
"""Terms of the glossary that are explained beside one question."""


class AssistantProfile(BaseModel):
    """What the workspace says of its assistant; all may be left out.

    Attributes:
        glossary: terms and what they mean; those that a question names are explained beside it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field("", max_length=100)
    tone: str = Field("", max_length=300)
    instructions: str = Field("", max_length=MAX_CHARS)
    glossary: dict[str, str] = {}

    @property
    def version(self) -> str:
        """Twelve hexadecimal digits that change with any word; empty where nothing is said."""
        said = self.model_dump(exclude_defaults=True)
        return fingerprint(said)[:12] if said else ""

    def system_text(self, caller: str = "") -> str:
        """Return what follows the fixed system prompt: what the profile says, then what the caller's system messages say."""
        parts = [
            f"Your name is {self.name.strip()}." if self.name.strip() else "",
            f"Tone: {self.tone.strip()}." if self.tone.strip() else "",
            self.instructions.strip(),
            caller.strip(),
        ]
        return "\n".join(part for part in parts if part)

    def explained(self, question: str) -> dict[str, str]:
        """Return the terms of the glossary that a question names, with their meanings."""
        named = (term for term in self.glossary if re.search(rf"(?<!\w){re.escape(term)}(?!\w)", question, re.IGNORECASE))
        return {term: self.glossary[term] for term, _ in zip(named, range(MAX_TERMS), strict=False)}


def load_profile(root: Path) -> AssistantProfile:
    """Return the profile of a workspace; an empty one where it has no file.

    Raises:
        SettingsError: the file is no TOML, or a key or value is wrong; the message lists all.
    """
    path = root / FILE_NAME
    try:
        return AssistantProfile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return AssistantProfile()
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(str(path), [str(error)]) from error
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise SettingsError(str(path), wrong) from error
