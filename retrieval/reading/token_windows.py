"""Questions and passages as the reader takes them: token ids, and where each token stands in its passage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

MAX_TOKENS = 384
"""Question and passage together; a longer passage is read in several windows."""
OVERLAP = 96
"""Tokens that two windows of a passage share, so that an answer on the border is whole in one of them."""
MAX_QUESTION_TOKENS = 96
"""A longer question is cut at its beginning: what is asked mostly stands at the end."""


@dataclass(frozen=True)
class Window:
    """A question and a passage, or the part of a long passage that fits beside it: ``[CLS] question [SEP] passage [SEP]``.

    Attributes:
        pair: place of the question and passage in the lists they come from.
        ids: the tokens.
        first: place of the passage's first token in ``ids``.
        offsets: where each of the passage's tokens stands in it, in characters.
    """

    pair: int
    ids: Sequence[int]
    first: int
    offsets: Sequence[tuple[int, int]]


def make_windows(tokenizer: Any, questions: Sequence[str], passages: Sequence[str]) -> list[Window]:
    """Return the windows of each question with the passage at the same place, in their order."""
    if not questions:
        return []
    encoded = tokenizer(
        [_shortened(tokenizer, question) for question in questions],
        list(passages),
        truncation="only_second",
        max_length=MAX_TOKENS,
        stride=OVERLAP,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    found = []
    for row, pair in enumerate(encoded["overflow_to_sample_mapping"]):
        parts = encoded.sequence_ids(row)
        first = parts.index(None, 1) + 1
        offsets = encoded["offset_mapping"][row][first:-1]
        found.append(Window(pair, encoded["input_ids"][row], first, offsets))
    return found


def batches(windows: Sequence[Window], max_tokens: int) -> list[list[int]]:
    """Return places of windows in batches of at most ``max_tokens`` padded tokens, those of similar length together."""
    found: list[list[int]] = []
    for place in sorted(range(len(windows)), key=lambda place: len(windows[place].ids)):
        if found and (len(found[-1]) + 1) * len(windows[place].ids) <= max_tokens:
            found[-1].append(place)
        else:
            found.append([place])
    return found


@dataclass(frozen=True)
class Batch:
    """Windows as tensors, B of them padded to T tokens.

    Attributes:
        ids: (B, T) tokens, padded with 0.
        parts: (B, T) 0 for the question, 1 for the passage and what follows it.
        mask: (B, T) bool, false for padding.
        spans: (B, T) bool, true where an answer may begin or end: the passage's tokens, and ``[CLS]`` for "no answer".
    """

    ids: torch.Tensor
    parts: torch.Tensor
    mask: torch.Tensor
    spans: torch.Tensor

    def to(self, device: str) -> Batch:
        """Return the batch on a device."""
        return Batch(self.ids.to(device), self.parts.to(device), self.mask.to(device), self.spans.to(device))


def collate(windows: Sequence[Window]) -> Batch:
    """Lay windows out as one batch."""
    import torch

    longest = max(len(window.ids) for window in windows)
    ids = torch.zeros(len(windows), longest, dtype=torch.long)
    parts = torch.zeros_like(ids)
    mask = torch.zeros(len(windows), longest, dtype=torch.bool)
    spans = torch.zeros_like(mask)
    for row, window in enumerate(windows):
        ids[row, : len(window.ids)] = torch.tensor(window.ids)
        parts[row, window.first : len(window.ids)] = 1
        mask[row, : len(window.ids)] = True
        spans[row, window.first : len(window.ids) - 1] = True
        spans[row, 0] = True
    return Batch(ids, parts, mask, spans)


def _shortened(tokenizer: Any, question: str) -> str:
    encoded = tokenizer(question, add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False)
    offsets = encoded["offset_mapping"]
    return question if len(offsets) <= MAX_QUESTION_TOKENS else question[offsets[-MAX_QUESTION_TOKENS][0] :]
