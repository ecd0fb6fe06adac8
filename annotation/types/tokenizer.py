"""Cutting English text into tokens, for drafts of tags and for rows that train token classifiers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from doyen.annotation.types.typed_labels import Region

_MARKS = "\u0300-\u036f\u200d\ufe0f"
"""Combining accents, and what joins emoji: they belong to the sign before them."""
_TOKEN = re.compile(
    rf"\w+(?=n['’]t\b)|n['’]t\b|['’](?:s|re|ve|ll|d|m)\b"  # do|n't, pump|'s, we|'ll
    rf"|[\w{_MARKS}]+(?:[.,:/@-][\w{_MARKS}]*\d[\w{_MARKS}]*)+"  # 4,000; 410-778; 1.2; E-41
    rf"|(?:\w[{_MARKS}]*)+|\S[{_MARKS}]*",
    re.IGNORECASE,
)
OUTSIDE = "O"


def tokenise(text: str) -> list[tuple[int, int]]:
    """Return (start, end) of words, numbers and codes in one piece, and single signs; none holds a blank."""
    return [match.span() for match in _TOKEN.finditer(text)]


def bio_tags(tokens: Sequence[tuple[int, int]], regions: Sequence[Region]) -> list[str]:
    """Return a tag for each token: "B-LABEL" where an entity begins, "I-LABEL" inside, "O" outside.

    A token belongs to an entity that covers any part of it. Where entities overlap, the longest one counts.
    """
    tags = [OUTSIDE] * len(tokens)
    for region in sorted(regions, key=lambda region: (region.start - region.end, region.start)):
        touched = [n for n, (start, end) in enumerate(tokens) if start < region.end and region.start < end]
        if all(tags[n] == OUTSIDE for n in touched):
            for n in touched:
                tags[n] = f"{'B' if n == touched[0] else 'I'}-{region.label}"
    return tags
