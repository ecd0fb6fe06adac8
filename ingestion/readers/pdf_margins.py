"""Running page headers and footers: kept once at the beginning, dropped from the pages, page numbers dropped.

They are kept once because the number, the revision and the date of a document often stand nowhere else. A line counts as
running only when it stands at the same height of many pages with the same words and the same figures, apart from one that
counts with the pages. Rows of a table that goes on over pages differ in their figures and stay.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from doyen.ingestion.readers.pdf_lines import Line, Page
from doyen.ingestion.readers.pdf_tables import find_table

MARGIN = 0.1
"""Share of the page's height, at the top and at the bottom, in which headers and footers stand."""
LEAST_SHARE = 0.4
SAME_HEIGHT = 0.01
"""Share of the page's height by which the places of a running line may differ."""
LEAST_WORDS = 12
"""Letters beside a counting figure from which a line is a header with a page number, not a label that counts."""
COUNTED = "\x00"
"""Stands in a line before a figure that is counted from its page."""
_PAGE_WORD = r"(?:page|seite|p|pg|pag|página|pagina|blatt|sida|side|strana|strona)\.?"
_OF = r"(?:\s*(?:of|von|de|di|/)\s*\d{1,4})"
PAGE_NUMBER = re.compile(
    rf"^[^\w\s]*\s*{_PAGE_WORD}\s*\d{{1,4}}{_OF}?\s*[^\w\s]*$|^\d{{1,4}}\s*(?:of|von)\s*\d{{1,4}}$", re.IGNORECASE
)
TRAILING_NUMBER = re.compile(rf"(?<!\s)\s*\b{_PAGE_WORD}\s*\d{{1,4}}{_OF}?\s*$", re.IGNORECASE)
_FIGURE = re.compile(r"\d+")
_BARE = re.compile(r"^[^\w\s]*\s*(\d{1,4}|[ivxlc]{1,7})\s*[^\w\s]*$", re.IGNORECASE)
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}


def drop_margins(pages: list[Page]) -> tuple[list[str], list[Page]]:
    """Return the running lines without their page numbers, and the pages without headers, footers and page numbers."""
    heights: dict[str, dict[int, float]] = defaultdict(dict)
    for number, page in enumerate(pages):
        for line in _margin_lines(page):
            for form in _forms(line.text, number):
                heights[form].setdefault(number, line.bottom / page.height)
    least = max(2, LEAST_SHARE * len(pages))
    # A bare number that ends every page and counts with them is sure enough wherever the text ends.
    running = {
        form
        for form, places in heights.items()
        if _count_alike(list(places.values())) >= least or (form.startswith(COUNTED) and len(places) >= max(3, least))
    }
    once: dict[str, None] = {}
    kept = []
    for number, page in enumerate(pages):
        dropped = set()
        for line in _margin_lines(page):
            repeated = any(form in running for form in _forms(line.text, number))
            if PAGE_NUMBER.match(line.text) or (repeated and _BARE.match(line.text)):
                dropped.add(id(line))
            elif repeated:
                dropped.add(id(line))
                once.setdefault(_without_number(line.text, number, running))
        kept.append(Page([line for line in page.lines if id(line) not in dropped], page.width, page.height))
    return [text for text in once if text], kept


def _margin_lines(page: Page) -> Iterator[Line]:
    """The lines near the top and the bottom, and the last one, where page numbers stand that a wide margin moved inwards."""
    for index, line in enumerate(page.lines):
        near = line.bottom < MARGIN * page.height or line.bottom > (1 - MARGIN) * page.height
        last = index == len(page.lines) - 1 and _BARE.match(line.text) is not None
        # The headings of a table that goes on stand on each page, too: its rows need them.
        if (near or last) and find_table(page.lines, index) is None:
            yield line


def _forms(text: str, page: int) -> Iterator[str]:
    """Yield a line as it is, and with a figure at its beginning or end counted from its page."""
    plain = text.strip().lower()
    bare = _BARE.match(plain)
    if bare is not None:
        yield f"{COUNTED}{_value(bare.group(1)) - page}"
        return
    yield plain
    figures = list(_FIGURE.finditer(plain))
    letters = sum(letter.isalpha() for letter in plain)
    for figure in figures[:1] + figures[-1:]:
        at_edge = not plain[: figure.start()].strip(" |-–") or not plain[figure.end() :].strip(" |-–")
        if (letters >= LEAST_WORDS and at_edge and len(figure.group()) < 5) or PAGE_NUMBER.match(plain):
            yield f"{plain[: figure.start()]}{COUNTED}{int(figure.group()) - page}{plain[figure.end() :]}"


def _without_number(text: str, page: int, running: set[str]) -> str:
    """Return a running line without the figure that counts the pages."""
    if text.strip().lower() in running:
        return text
    counted = [figure for figure in _FIGURE.finditer(text) if figure.start() == 0 or figure.end() == len(text.rstrip())]
    trimmed = TRAILING_NUMBER.sub("", text)
    if trimmed == text and counted:
        trimmed = text[counted[-1].end() :] if counted[-1].start() == 0 else text[: counted[-1].start()]
    return trimmed.strip(" |-–")


def _count_alike(heights: list[float]) -> int:
    """Return how many of the places are at the height of the middle one."""
    middle = sorted(heights)[len(heights) // 2]
    return sum(abs(height - middle) <= SAME_HEIGHT for height in heights)


def _value(number: str) -> int:
    if number.isascii() and number.isdigit():
        return int(number)
    values = [_ROMAN.get(letter, 0) for letter in number]
    return sum(-value if value < max(values[place:]) else value for place, value in enumerate(values))
