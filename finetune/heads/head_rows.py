"""Texts as an encoder takes them: word pieces, and which of them each word of the text is made of.

text     "Use 50mg of N₂O"
words    [Use][50mg][of][N₂O]            code points of the text, exact whatever the tokenizer does to it
pieces   [use][50][##mg][of][n][##2][##o]
places   [ 0 ][ 1 … 2 ][3 ][ 4 … … 6 ]   the words' pieces; one that the tokenizer drops has none
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from doyen.finetune.heads.head_examples import Floats, Places

OVERLAP = 48
"""Word pieces that two parts of a long text share: each word is read where it has most text around it."""
BATCH_TOKENS = 1024
"""Padded word pieces of a step: about 32 short texts."""


@dataclass(frozen=True)
class Row:
    """A text, or a part of it, as the encoder takes it.

    Attributes:
        text: the number of the text it is of.
        ids: word pieces, special ones included.
        words: numbers of the words that are read here.
        places: first and last but one of the pieces of each word, in ``ids``.
        cut: whether the text goes on.
    """

    text: int
    ids: list[int]
    words: tuple[int, ...] = ()
    places: Places = ()
    cut: bool = False


def text_rows(tokenizer: Any, texts: Sequence[str], max_tokens: int) -> list[Row]:
    """Return a row for each text, cut at the window."""
    if not texts:
        return []
    found = tokenizer(list(texts), truncation=True, max_length=max_tokens, return_overflowing_tokens=True)
    rows: dict[int, Row] = {}
    for ids, text in zip(found["input_ids"], found["overflow_to_sample_mapping"], strict=True):
        first = rows.get(text)
        rows[text] = Row(text, ids) if first is None else Row(text, first.ids, cut=True)
    return [rows[number] for number in range(len(texts))]


def word_rows(tokenizer: Any, texts: Sequence[str], words: Sequence[Places], max_tokens: int) -> list[Row]:
    """Return the rows of texts whose words are tagged: one, or several that overlap where a text is longer than the window."""
    if not texts:
        return []
    overlap = min(OVERLAP, max_tokens // 4)
    shape = {"truncation": True, "max_length": max_tokens, "stride": overlap}
    found = tokenizer(list(texts), **shape, return_overflowing_tokens=True, return_offsets_mapping=True)
    windows: dict[int, list[tuple[list[int], Any]]] = {}
    for ids, offsets, text in zip(
        found["input_ids"], found["offset_mapping"], found["overflow_to_sample_mapping"], strict=True
    ):
        windows.setdefault(text, []).append((ids, np.array(offsets, np.int64).reshape(-1, 2)))
    return [row for text in range(len(texts)) for row in _parts(text, windows[text], words[text])]


def _parts(text: int, windows: Sequence[tuple[list[int], Any]], words: Places) -> Iterator[Row]:
    """Yield a row for each window, with the words that have most text around them there."""
    best: list[tuple[int, int, tuple[int, int]]] = [(-1, 0, (0, 0))] * len(words)
    for number, (ids, offsets) in enumerate(windows):
        for word, place in enumerate(_places(offsets, words)):
            if place is not None:
                margin = min(place[0], len(ids) - place[1])
                best[word] = max(best[word], (margin, number, place), key=lambda entry: entry[0])
    for number, (ids, _) in enumerate(windows):
        own = tuple(word for word, entry in enumerate(best) if entry[1] == number)
        yield Row(text, ids, own, tuple(best[word][2] for word in own))


def _places(offsets: Any, words: Places) -> Iterator[tuple[int, int] | None]:
    """Yield where the pieces of each word begin and end, None where it has none here."""
    starts, ends = offsets[:, 0], offsets[:, 1]
    for start, end in words:
        inside = np.flatnonzero((starts < end) & (ends > start))
        yield (int(inside[0]), int(inside[-1]) + 1) if len(inside) else None


@dataclass(frozen=True)
class Batch:
    """Rows as tensors.

    Attributes:
        ids, mask: ``(rows, longest)``.
        words: ``(words, 3)``: row, first piece, and the one behind the last, of each word; None where texts are pooled whole.
    """

    ids: Tensor
    mask: Tensor
    words: Tensor | None

    def to(self, device: Any) -> Batch:
        """Return the batch on a device."""
        words = None if self.words is None else self.words.to(device)
        return Batch(self.ids.to(device), self.mask.to(device), words)


def collate(rows: Sequence[Row], *, of_words: bool, pad: int) -> Batch:
    """Return rows as one batch."""
    longest = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), longest), pad)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    for number, row in enumerate(rows):
        ids[number, : len(row.ids)] = torch.tensor(row.ids)
        mask[number, : len(row.ids)] = 1
    if not of_words:
        return Batch(ids, mask, None)
    places = [(number, *place) for number, row in enumerate(rows) for place in row.places]
    return Batch(ids, mask, torch.tensor(places, dtype=torch.long).reshape(-1, 3))


def batched_rows(rows: Sequence[Row]) -> list[list[int]]:
    """Return the numbers of rows in batches of similar length, none of more than BATCH_TOKENS padded pieces."""
    order = sorted(range(len(rows)), key=lambda number: len(rows[number].ids))
    batches: list[list[int]] = []
    for number in order:
        if batches and (len(batches[-1]) + 1) * len(rows[number].ids) <= BATCH_TOKENS:
            batches[-1].append(number)
        else:
            batches.append([number])
    return batches


def shuffled_batches(rows: Sequence[Row], seed: str, largest: int) -> list[list[int]]:
    """Return the numbers of rows in batches of similar length and at most ``largest`` rows, all in random order."""
    draw = random.Random(seed)
    mixed = draw.sample(range(len(rows)), len(rows))
    found = [
        [mixed[place] for place in batch[start : start + largest]]
        for batch in batched_rows([rows[number] for number in mixed])
        for start in range(0, len(batch), largest)
    ]
    draw.shuffle(found)
    return found


def targets_of(rows: Sequence[Row], targets: Sequence[Floats], *, of_words: bool) -> Tensor:
    """Return what the rows of a batch shall say: a line for each text, or for each word that is read in it."""
    own = [targets[row.text][list(row.words)] if of_words else targets[row.text][None] for row in rows]
    return torch.tensor(np.concatenate(own))
