"""Counting the embedder's word pieces (the tokens of its vocabulary), of which a chunk may hold so many.

    "recalibration"  →  "recal" "##ib" "##ration": one word, three word pieces

The embedder once saw whole chunks and cut what its window did not hold. It sees halves of them now (retrieval/units.py); the
limit stays, because it decides where chunks end, and with them all chunk ids and labels.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from doyen.core.models import load_once, resolve_embedder

RESERVED = 48
"""Word pieces by which a chunk stays below the window."""
DEFAULT_WINDOW = 256
LARGEST_BODY = 480
"""Also with a long window a chunk stays small enough to be about one thing."""
BATCH = 128
LONGEST_PIECE = 40


class PieceCounter:
    """Counts word pieces of stretches of a document.

    Attributes:
        limit: most pieces that a chunk may have.
    """

    def __init__(self, tokenizer: Any | None, window: int) -> None:
        self._tokenizer = tokenizer
        self.limit = max(32, min(window - RESERVED, LARGEST_BODY))

    def starts(self, texts: Sequence[str]) -> list[list[int]]:
        """Return for each text the offsets at which its pieces start, in order."""
        if self._tokenizer is None:
            return [_estimated_starts(text) for text in texts]
        starts: list[list[int]] = []
        for first in range(0, len(texts), BATCH):
            encodings = self._tokenizer.encode_batch(list(texts[first : first + BATCH]), add_special_tokens=False)
            starts += [_piece_starts(encoding.offsets) for encoding in encodings]
        return starts


def _piece_starts(offsets: Sequence[tuple[int, int]]) -> list[int]:
    """Return where pieces start. WordPiece makes one unknown piece of a word above 100 letters, but many of its halves."""
    if all(end - start <= LONGEST_PIECE for start, end in offsets):
        return [start for start, _ in offsets]
    return [
        position for start, end in offsets for position in (range(start, end, 3) if end - start > LONGEST_PIECE else (start,))
    ]


def count_between(starts: list[int], start: int, end: int) -> int:
    """Return how many pieces begin in ``start <= offset < end``."""
    return bisect_left(starts, end) - bisect_left(starts, start)


def open_counter(embedder: str) -> PieceCounter:
    """Return the counter of the embedder named in the settings.

    Raises:
        ModelMissing: the embedder is not on this machine.
    """
    folder, _ = resolve_embedder(embedder)
    return _counter_of(folder)


@load_once()
def _counter_of(folder: Path) -> PieceCounter:
    window = DEFAULT_WINDOW
    settings = folder / "sentence_bert_config.json"
    if settings.is_file():
        window = int(json.loads(settings.read_text(encoding="utf-8")).get("max_seq_length") or DEFAULT_WINDOW)
    file = folder / "tokenizer.json"
    if not file.is_file():
        return PieceCounter(None, window)
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return PieceCounter(tokenizer, window)


def _estimated_starts(text: str) -> list[int]:
    """Stand-in for embedders without tokenizer.json: a piece begins every third character of a word."""
    starts, inside = [], 0
    for position, letter in enumerate(text):
        inside = 0 if letter.isspace() else inside + 1
        if inside % 3 == 1:
            starts.append(position)
    return starts
