"""The time of cleaning, cutting and reading grows with the length of a text and not with its square."""

import time
from collections.abc import Callable

import pytest

from doyen.core.sentences import sentence_ends
from doyen.ingestion.clean import repair_text, tidy_lines
from doyen.ingestion.readers.html import flatten_deep
from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.readers.plain import read_plain

LIMITS = Limits(10**9, 10**9, 100)
STEPS: dict[str, Callable[[str], object]] = {
    "repair": repair_text,
    "tidy": tidy_lines,
    "sentences": sentence_ends,
    "flatten": flatten_deep,
    "plain": lambda text: read_plain(text.encode(), "a.txt", LIMITS),
}
PIECES = [".", "!?", "…", '."', " ", "a", "-", "=", "1.", "a.", "<a", "<", "((", "_", "\t", "。", "/* "]
LENGTH = 8_000
"""Below a few thousand characters the time of a call hides how it grows."""


def seconds(step: Callable[[str], object], text: str) -> float:
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        step(text)
        best = min(best, time.process_time() - began)
    return best


@pytest.mark.parametrize("name", STEPS)
def test_eight_times_the_text_takes_far_less_than_64_times_the_time(name):
    for piece in PIECES:
        short, long = (f"x {piece * (length // len(piece))}x" for length in (LENGTH, 8 * LENGTH))
        assert seconds(STEPS[name], long) < 30 * max(seconds(STEPS[name], short), 0.0005), (name, piece)
