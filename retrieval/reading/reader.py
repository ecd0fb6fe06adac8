"""Reading passages: where the answer stands in each, and whether it answers at all."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from doyen.core.models import load_once, torch_device, torch_dtype
from doyen.core.sentences import sentence_ends
from doyen.core.text import MARKS, UNSPACED
from doyen.retrieval.reading.reader_files import GENERAL_READER
from doyen.retrieval.reading.reader_network import Scores, load_network
from doyen.retrieval.reading.token_windows import Window, batches, collate, make_windows

BATCH_TOKENS = 2048
"""Padded tokens in a batch: more no longer fills the processor better."""
MAX_SPAN_TOKENS = 40
"""The longest answer that is looked for."""
CANDIDATES = 200
"""Likeliest spans of a window among which answers are chosen."""
_JOINING = ",;: \t\n"
_UNSPACED, _MARKS = re.compile(f"[{UNSPACED}]"), frozenset(MARKS)


@dataclass(frozen=True)
class Span:
    """A possible answer, verbatim in a passage.

    Attributes:
        start: of its first character in the passage's text.
        end: after its last character.
        score: logit, of this span against "no answer" in the same passage.
    """

    start: int
    end: int
    score: float


@dataclass(frozen=True)
class Reading:
    """What the reader finds in one passage.

    Attributes:
        spans: the best answers, best first; they do not overlap.
        answers: logit of the passage answering the question.
    """

    spans: tuple[Span, ...]
    answers: float


class Reader:
    """Finds answers in passages; the same question and passages always give the same, up to rounding."""

    def __init__(self, folder: Path, *, dtype: str = "auto") -> None:
        network, self._tokenizer, self.config = load_network(folder)
        # A tokenizer keeps how it truncates from call to call, so that two threads would change it under each other.
        self._tokenizing = threading.Lock()
        self._device = torch_device()
        self._network = network.to(self._device, torch_dtype(dtype))

    def read(self, question: str, passages: Sequence[str], *, spans: int = 1) -> list[Reading]:
        """Return what each passage says to the question, in the order of the passages.

        Args:
            question: one question, complete in itself.
            passages: their texts; long ones are read in several windows.
            spans: how many spans of a passage are wanted at most.
        """
        with self._tokenizing:
            windows = make_windows(self._tokenizer, [question] * len(passages), passages)
        found: list[list[Span]] = [[] for _ in passages]
        answers = [float("-inf")] * len(passages)
        for places in batches(windows, BATCH_TOKENS):
            group = [windows[place] for place in places]
            for window, starts, ends, logit in zip(group, *self._scores(group), strict=True):
                found[window.pair] += _best_spans(window, starts, ends, passages[window.pair], spans)
                answers[window.pair] = max(answers[window.pair], float(logit))
        return [Reading(tuple(_apart(each, spans)), logit) for each, logit in zip(found, answers, strict=True)]

    def _scores(self, windows: Sequence[Window]) -> tuple[Any, Any, Any]:
        batch = collate(windows)
        with torch.inference_mode():
            scores: Scores = self._network(batch.to(self._device))
        return scores.start.cpu(), scores.end.cpu(), scores.answers.cpu()


def _best_spans(window: Window, starts: Any, ends: Any, passage: str, count: int) -> list[Span]:
    """Return the best spans of a window that do not overlap, best first.

    The likeliest span tells where an answer stands and how likely it is. Where exactly it begins and ends is decided by all
    likely spans there, since the likeliest may have few others on its side: the one with the highest expected F1 of its tokens
    is taken (minimum Bayes risk, Kumar & Byrne, NAACL 2004).
    """
    first, length = window.first, len(window.offsets)
    if not length:
        return []
    sums = starts[first : first + length, None] + ends[None, first : first + length]
    sentences = _sentence_numbers(passage, window)
    allowed = (sentences[:, None] == sentences).triu().tril(MAX_SPAN_TOKENS - 1)
    best = sums.masked_fill(~allowed, float("-inf")).flatten().topk(min(CANDIDATES, int(allowed.sum())))
    begins, lasts, scores = best.indices // length, best.indices % length, best.values - (starts[0] + ends[0])
    found: list[Span] = []
    left = torch.ones(len(scores), dtype=torch.bool)
    while len(found) < count and left.any():
        peak = int(left.nonzero()[0])
        near = (left & (begins <= lasts[peak]) & (lasts >= begins[peak])).nonzero().squeeze(1)
        chosen = int(near[_expected_f1(begins[near], lasts[near], scores[near]).argmax()])
        start, end = window.offsets[int(begins[chosen])][0], window.offsets[int(lasts[chosen])][1]
        found.append(Span(*_whole_words(passage, start, end), float(scores[peak])))
        left[near] = False
        left &= (begins > lasts[chosen]) | (lasts < begins[chosen])
    return _apart(found, count)


def _sentence_numbers(passage: str, window: Window) -> Any:
    """Return for each of a window's tokens which sentence of the passage it stands in: no answer runs over their border."""
    ends = torch.tensor(sentence_ends(passage))
    return torch.bucketize(torch.tensor([start for start, _ in window.offsets]), ends, right=True)


def _expected_f1(begins: Any, lasts: Any, scores: Any) -> Any:
    """Return the F1 of each span with the right one, expected over which of them that is: the softmax of their scores."""
    lengths = lasts - begins + 1
    shared = (torch.minimum(lasts[:, None], lasts) - torch.maximum(begins[:, None], begins) + 1).clamp(min=0)
    return (2 * shared / (lengths[:, None] + lengths)) @ torch.softmax(scores, 0)


def _apart(spans: Sequence[Span], count: int) -> list[Span]:
    """Return the best spans that do not overlap a better one, best first."""
    chosen: list[Span] = []
    for span in sorted(spans, key=lambda span: -span.score):
        if len(chosen) == count:
            break
        if all(span.end <= other.start or other.end <= span.start for other in chosen):
            chosen.append(span)
    return chosen


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    """Widen a span of word pieces to whole words, numbers and codes; marks that join it to what precedes are left out."""
    while text[start] in _JOINING and start + 1 < end:
        start += 1
    while _divides_word(text, start):
        start -= 1
    while _divides_word(text, end):
        end += 1
    return start, end


def _divides_word(text: str, place: int) -> bool:
    """Whether a cut before this character goes through a word or number; scripts without blanks have words of one letter."""
    if not 0 < place < len(text):
        return False
    before, after = text[place - 1], text[place]
    if after in _MARKS:
        return True
    if before in ".,":
        return text[place - 2 : place - 1].isdigit() and after.isdigit()
    if before == "-":  # "QC-30-0080", not "12-screen"
        return after.isdigit() and _of_code(text[place - 2 : place - 1])
    if after == "-":
        return _of_code(before) and text[place + 1 : place + 2].isdigit()
    if after in ".,":
        return before.isdigit() and text[place + 1 : place + 2].isdigit()
    return (before.isalnum() or before in _MARKS) and after.isalnum() and not _UNSPACED.search(before + after)


def _of_code(letter: str) -> bool:
    return letter.isupper() or letter.isdigit()


def open_reader(folder: Path = GENERAL_READER, dtype: str = "auto") -> Reader:
    """Load a reader; threads that ask at once share one.

    Raises:
        ModelMissing: its files are not there or do not fit the packaged encoder.
    """
    return _load(folder, dtype)


@load_once(maxsize=2)
def _load(folder: Path, dtype: str) -> Reader:
    return Reader(folder, dtype=dtype)
