"""What a model has drafted, kept line by line: a stopped run goes on, and nothing is paid for twice."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from doyen.core.errors import storage_errors

FILE = "drafts.jsonl"


@dataclass(frozen=True)
class Drafted:
    """A text for which a model was asked, and what came of it.

    Attributes:
        key: fingerprint of text, model, prompt and settings.
        version: of model and prompts.
        text: fingerprint of the text.
        kind: "label", "single", "two" or "unanswerable".
        label: as JSON; None where nothing was kept.
        score: share of the votes for it.
        dropped: why nothing was kept; empty where something was.
    """

    key: str
    version: str
    text: str
    kind: str
    label: dict[str, Any] | None
    score: float
    dropped: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float


class DraftLog:
    """The drafts of one project, in one file."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._writing = threading.Lock()
        self.known = self._read()

    def add(self, drafted: Drafted) -> None:
        """Keep a draft; it is handed to the operating system at once."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps(asdict(drafted), ensure_ascii=False) + "\n"
        with self._writing, storage_errors("writing a draft"), self._path.open("a", encoding="utf-8") as stream:
            stream.write(line)
        self.known[drafted.key] = drafted

    def _read(self) -> dict[str, Drafted]:
        if not self._path.exists():
            return {}
        data = self._path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            os.truncate(self._path, len(whole))  # torn by a kill
        found: dict[str, Drafted] = {}
        for line in whole.splitlines():
            try:
                drafted = Drafted(**json.loads(line))
            except (ValueError, TypeError):
                continue
            found[drafted.key] = drafted
        return found
