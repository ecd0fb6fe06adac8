"""Answers while they come: whole characters only, and nothing of a stop text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

REPLACEMENT = "\ufffd"


class TextStream:
    """Collects token ids and gives out the text that is final.

    Attributes:
        text: everything given out so far.
        stopped: whether a stop text was met.
    """

    def __init__(self, tokenizer: Any, stop: Sequence[str] = ()) -> None:
        self._tokenizer = tokenizer
        self._stop = [text for text in stop if text]
        self._ids: list[int] = []
        self.text = ""
        self.stopped = False

    def push(self, token: int) -> str:
        """Add a token and return the text that became final, maybe empty."""
        self._ids.append(token)
        return self._release(final=False)

    def finish(self) -> str:
        """Return what was still held back."""
        return "" if self.stopped else self._release(final=True)

    def _release(self, *, final: bool) -> str:
        whole = self._tokenizer.decode(self._ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        places = [place for place in (whole.find(text) for text in self._stop) if place >= 0]
        if places:
            self.stopped = True
            whole = whole[: min(places)]
        elif not final:
            # Bytes of an unfinished character decode to the replacement character.
            whole = whole.rstrip(REPLACEMENT)
            whole = whole[: len(whole) - self._held(whole)]
        piece = whole[len(self.text) :]
        self.text += piece
        return piece

    def _held(self, text: str) -> int:
        """How many last characters may be the beginning of a stop text."""
        return max(
            (size for stop in self._stop for size in range(1, min(len(stop), len(text) + 1)) if text.endswith(stop[:size])),
            default=0,
        )
