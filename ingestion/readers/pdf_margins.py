"""Repeated page headers and footers: kept once at the beginning, dropped from the pages, page numbers dropped everywhere.

They are kept once because the number, the revision and the date of a document often stand nowhere else.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict

from doyen.ingestion.readers.pdf_lines import Line, Page

MARGIN = 0.1
"""Share of the page's height, at the top and at the bottom, in which headers and footers stand."""
LEAST_SHARE = 0.4
PAGE_NUMBER = re.compile(
    r"^[\W_]*(?:page|seite|p\.?|pg\.?)?\s*(?:\d{1,4}|[ivxlc]{1,6})\s*(?:(?:of|von|/|-)\s*\d{1,4})?[\W_]*$", re.IGNORECASE
)
TRAILING_NUMBER = re.compile(r"\s*\b(?:page|seite|pg\.?)\s*\d{1,4}(?:\s*(?:of|von|/)\s*\d{1,4})?\s*$", re.IGNORECASE)


def drop_margins(pages: list[Page]) -> tuple[list[str], list[Page]]:
    """Return the repeated lines without their page numbers, and the pages without headers, footers and page numbers."""
    seen: dict[str, set[int]] = defaultdict(set)
    first: dict[str, str] = {}
    for number, page in enumerate(pages):
        for line in page.lines:
            if _in_margin(line, page):
                key = _key(line.text)
                seen[key].add(number)
                first.setdefault(key, TRAILING_NUMBER.sub("", line.text))
    least = max(2, LEAST_SHARE * len(pages))
    repeated = {key for key, numbers in seen.items() if len(numbers) >= least}
    kept = [
        Page(
            [line for line in page.lines if line is not number and not _is_margin(line, page, repeated)],
            page.width,
            page.height,
        )
        for page, number in zip(pages, _numbers_at_the_end(pages), strict=True)
    ]
    once = [text for key, text in first.items() if key in repeated and not PAGE_NUMBER.match(text) and text]
    return once, kept


def _numbers_at_the_end(pages: list[Page]) -> list[Line | None]:
    """Return for each page its last line if that is a page number, wherever it stands: it counts up with the pages."""
    last = [page.lines[-1] if page.lines else None for page in pages]
    counts = Counter(int(line.text) - index for index, line in enumerate(last) if line is not None and _is_integer(line.text))
    offset, times = counts.most_common(1)[0] if counts else (0, 0)
    if times < max(3, LEAST_SHARE * len(pages)):
        return [None] * len(pages)
    return [
        line if line is not None and _is_integer(line.text) and int(line.text) - index == offset else None
        for index, line in enumerate(last)
    ]


def _is_integer(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5


def _is_margin(line: Line, page: Page, repeated: set[str]) -> bool:
    return _in_margin(line, page) and (_key(line.text) in repeated or bool(PAGE_NUMBER.match(line.text)))


def _in_margin(line: Line, page: Page) -> bool:
    return line.bottom < MARGIN * page.height or line.bottom > (1 - MARGIN) * page.height


def _key(text: str) -> str:
    """A line without its figures: they count the pages."""
    return re.sub(r"\d+", "#", text).strip().lower()
