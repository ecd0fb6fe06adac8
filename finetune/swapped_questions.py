"""Questions that ask for something else than a passage says: one of their values is exchanged (arXiv 2310.19403).

"What does the Corvane 410 draw?" becomes "What does the Corvane 415 draw?", another question's value, or "What does the
Corvane 473 draw?", other digits: a thing that may not exist.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from doyen.core.quantities import Stated, find_facts, find_values

TRIED = 3
"""Values of other questions, and values with other digits, among which one is drawn."""
_DIGITS = re.compile(r"\d+")


def values_of(questions: Iterable[str]) -> list[str]:
    """Return the codes, numbers and names of questions, each once and in order."""
    return sorted({question[start:end] for question in questions for start, end in find_values(question)})


def swap_value(question: str, texts: Sequence[str], values: Sequence[str], draw: random.Random) -> str | None:
    """Return the question with one of its values replaced by another that none of the texts says, None without any.

    Args:
        values: of other questions, to choose from.
    """
    places = find_values(question)
    if not places:
        return None
    start, end = draw.choice(places)
    value, own = question[start:end], values_of([question])
    others = sorted(draw.sample(values, len(values)), key=lambda other: _kind(other) != _kind(value))
    if _DIGITS.search(value):
        others = [*others[:TRIED], *(_other_digits(value, draw) for _ in range(TRIED))]
        draw.shuffle(others)
    said = Stated(texts)
    for other in others:
        if other not in own and other not in said:
            return question[:start] + other + question[end:]
    return None


def _other_digits(value: str, draw: random.Random) -> str:
    """Return the value with one of its runs of digits changed: "E-410-07" to "E-410-53"."""
    run = draw.choice(list(_DIGITS.finditer(value)))
    digits = "".join(draw.choice("123456789") for _ in run.group())
    return value[: run.start()] + digits + value[run.end() :]


@lru_cache(maxsize=4096)
def _kind(value: str) -> str:
    """Return what a value is: a "name", or the kind of fact with its unit."""
    facts = find_facts(value)
    return f"{facts[0].kind} {facts[0].unit}" if facts else "name"
