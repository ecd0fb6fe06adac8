"""What of an answer in progress may be shown: nothing that is taken back later."""

from __future__ import annotations

from doyen.core.records import REFUSAL
from doyen.core.refusals import is_refusal, may_become_refusal


class RefusalBuffer:
    """Collects an answer's text and releases what is final.

    The beginning is held back while it may still turn out to be a refusal, which is replaced by the fixed one; white space
    is held back until something follows. The released pieces together are ``text``.

    Attributes:
        text: everything released so far.
        refused: whether the whole was a refusal; known after ``finish``.
    """

    def __init__(self, asked: str | None = None) -> None:
        """Begin an answer; ``asked`` as in ``is_refusal``."""
        self._asked = asked
        self._whole = ""
        self.text = ""
        self.refused = False

    def push(self, piece: str) -> str:
        """Add text and return what may be shown of it, maybe nothing."""
        self._whole += piece
        if not self.text and may_become_refusal(self._whole):
            return ""
        return self._release()

    def finish(self) -> str:
        """Return what was still held back, or the refusal."""
        if not self.text and is_refusal(self._whole, self._asked):
            self.refused = True
            self.text = REFUSAL
            return REFUSAL
        return self._release()

    def _release(self) -> str:
        ready = self._whole.strip()
        piece = ready[len(self.text) :]
        self.text = ready
        return piece
