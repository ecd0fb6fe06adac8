"""Running page headers and footers: kept once at the beginning, dropped from the pages, page numbers dropped.

They are kept once because the number, the revision and the date of a document often stand nowhere else. A line counts as
running only when it stands at the same height of many pages with the same words and the same figures, apart from a page
number. A figure that counts with the pages is one beside a word for "page", behind a sign or a gap that sets it off, or alone,
and then only apart from the text: the tags, serial numbers and rows that go on over pages count up, too, and stay.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest

from doyen.ingestion.readers.pdf_lines import Line, Page
from doyen.ingestion.readers.pdf_tables import find_table
from doyen.ingestion.word_boxes import Piece

MARGIN = 0.1
"""Share of the page's height, at the top and at the bottom, in which headers and footers stand."""
LEAST_SHARE = 0.4
SAME_HEIGHT = 0.01
"""Share of the page's height by which the places of a running line may differ."""
LEAST_WORDS = 12
"""Letters beside a counting figure from which a line is a header with a page number, not a label that counts."""
LARGEST_STEP = 1.6
"""Distance of two lines, in letter heights, from which they are parted blocks."""
FARTHEST_START = 2
"""How far a page number may be from the count of the pages where only a gap or its place shows what it is."""
OFF_CENTRE = 0.02
"""Share of the page's width by which a page number may miss the middle."""
INSIDE, APART, CENTRED = "inside", "apart", "centred"
COUNTED = "\x00"
"""Stands in a line before a figure that is counted from its page."""
_PAGE_WORD = r"\b(?:page|seite|p|pg|pag|página|pagina|blatt|sida|side|strana|strona)\.?"
_OF = r"(?:\s*(?:of|von|de|di|/)\s*\d{1,4})"
PAGE_NUMBER = re.compile(
    rf"^[^\w\s]*\s*{_PAGE_WORD}\s*\d{{1,4}}{_OF}?\s*[^\w\s]*$|^\d{{1,4}}\s*(?:of|von)\s*\d{{1,4}}$", re.IGNORECASE
)
_NAMED = re.compile(rf"{_PAGE_WORD}\s*(\d{{1,4}})\b{_OF}?", re.IGNORECASE)
_SET_OFF = re.compile(r"(?:[|·•–—]| -) ?(\d{1,4})$|^(\d{1,4}) ?(?:[|·•–—]|- )")
_BARE = re.compile(r"^[^\w\s]*\s*(\d{1,4}|[ivxlc]{1,7})\s*[^\w\s]*$", re.IGNORECASE)
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}


def drop_margins(pages: list[Page]) -> tuple[list[Piece], list[Page]]:
    """Return the running lines without their page numbers, and the pages without headers, footers and page numbers."""
    heights: dict[str, dict[int, float]] = defaultdict(dict)
    for number, page in enumerate(pages):
        for line, place in _margin_lines(page):
            for form, _ in _forms(line, number, place):
                heights[form].setdefault(number, line.bottom / page.height)
    least = max(2, LEAST_SHARE * len(pages))
    running = {
        form
        for form, places in heights.items()
        if _count_alike(list(places.values())) >= least or (form.startswith(CENTRED) and len(places) >= max(3, least))
    }
    once: dict[str, Piece] = {}
    kept = []
    for number, page in enumerate(pages):
        dropped = set()
        for line, place in _margin_lines(page):
            rests = [rest for form, rest in _forms(line, number, place) if form in running]
            if rests or PAGE_NUMBER.match(line.text):
                dropped.add(id(line))
                for rest in rests[:1]:
                    once.setdefault(rest, Piece(rest, line.words))
        kept.append(replace(page, lines=[line for line in page.lines if id(line) not in dropped]))
    return [piece for text, piece in once.items() if text], kept


def _margin_lines(page: Page) -> Iterator[tuple[Line, str]]:
    """The lines near the top and the bottom, each with its place: APART from the block of text, or INSIDE it.

    A last line of its own in the middle of the width is CENTRED at any height: there programs put page numbers below a text
    that ends early.
    """
    ordered = sorted(page.lines, key=lambda line: -line.bottom)
    inside: set[int] = set()
    block: list[Line] = []
    for line, below in zip_longest(ordered, ordered[1:]):
        block.append(line)
        if below is None or line.bottom - below.bottom > LARGEST_STEP * max(line.size, below.size):
            if not all(_is_near_edge(part, page) for part in block):
                inside.update(map(id, block))
            block = [] if below is not None else block
    centred = len(block) == 1 and abs(block[0].left + block[0].right - page.width) <= 2 * OFF_CENTRE * page.width
    for index, line in enumerate(page.lines):
        # The headings of a table that goes on stand on each page, too: its rows need them.
        if centred and line is block[0] and _BARE.match(line.text):
            yield line, CENTRED
        elif _is_near_edge(line, page) and find_table(page.lines, index) is None:
            yield line, INSIDE if id(line) in inside else APART


def _is_near_edge(line: Line, page: Page) -> bool:
    return line.bottom < MARGIN * page.height or line.bottom > (1 - MARGIN) * page.height


def _forms(line: Line, page: int, place: str) -> Iterator[tuple[str, str]]:
    """Yield a line as it is, and with its page number counted from its page, each with its text without that number."""
    text = line.text.strip()
    bare = _BARE.match(text)
    if bare is not None:
        ahead = _value(bare.group(1).lower()) - page
        if place == APART or (place == CENTRED and abs(ahead - 1) <= FARTHEST_START):
            yield f"{place}{COUNTED}{ahead}", ""
        return
    yield text.lower(), text
    letters = sum(letter.isalpha() for letter in text)
    for figure in _page_figures(line, page, apart=place == APART and letters >= LEAST_WORDS):
        start, end = figure.span(figure.lastindex or 0)
        rest = "" if PAGE_NUMBER.match(text) else f"{text[: figure.start()]} {text[figure.end() :]}".strip(" |-–")
        yield f"{text[:start]}{COUNTED}{int(text[start:end]) - page}{text[end:]}".lower(), rest


def _page_figures(line: Line, page: int, *, apart: bool) -> Iterator[re.Match[str]]:
    """Yield what may be the page number of a line: beside a word for it or, in a header apart from the text, set off."""
    text = line.text.strip()
    yield from _NAMED.finditer(text)
    if PAGE_NUMBER.match(text):
        yield from re.finditer(r"^(\d+)", text)
    if not apart:
        return
    yield from _SET_OFF.finditer(text)
    ends = (r"^(\d{1,4})\b", line.segments[0]), (r"\b(\d{1,4})$", line.segments[-1])
    for pattern, segment in ends if len(line.segments) > 1 else ():
        if segment.text.isdecimal() and abs(int(segment.text) - page - 1) <= FARTHEST_START:
            yield from re.finditer(pattern, text)


def _count_alike(heights: list[float]) -> int:
    """Return how many of the places are at the height of the middle one."""
    middle = sorted(heights)[len(heights) // 2]
    return sum(abs(height - middle) <= SAME_HEIGHT for height in heights)


def _value(number: str) -> int:
    if number.isascii() and number.isdigit():
        return int(number)
    values = [_ROMAN.get(letter, 0) for letter in number]
    return sum(-value if value < max(values[place:]) else value for place, value in enumerate(values))
