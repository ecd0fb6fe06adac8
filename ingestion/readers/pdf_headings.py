"""Headings above columns of figures in PDF pages, over several lines and several columns.

    drawn                Net Sales            Operating Income
                    ───────────────────     ───────────────────
        (Millions)   2018   2017   2016      2018   2017   2016
        Industrial  12,267 11,866 11,217    2,737  2,490  2,528

    read  Industrial | Net Sales 2018: 12,267 | Net Sales 2017: 11,866 | …

The columns come from the figures, which stand below one another, and the headings are told apart by them: a heading spans
the columns of the line that is drawn below it. Where no lines are drawn, headings that share the columns out evenly, each in
the middle of its share, span them; any other one belongs to the columns that it stands over.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from doyen.ingestion.readers.pdf_grid import EMPTY, YEAR, Grid, appended, joined_segments
from doyen.ingestion.readers.pdf_lines import Line, Segment, joined
from doyen.ingestion.table_text import is_number

MOST_HEADING_LINES = 20
"""Lines with headings above the figures; programs write those of one height as several."""
MOST_ROWS = 60
"""Rows that the columns are told from."""
HEADING_WORDS = 10
MOST_WORDS = 4
"""Of a cell of words among figures."""
LARGEST_STEP = 2.6
"""Letter heights from a line of headings to the next."""
LARGEST_GAP = 5.0
"""Letter heights from a row to the next."""
STACKED = 1.4
"""Letter heights between two lines of one heading, at most."""
CENTRED = 0.08
"""Widths of its columns by which a heading may stand beside their middle."""
LEAST_TOUCHED = 3.0
"""Points of a drawn line above which a heading stands, at least, if it belongs to it."""
LEAST_HEADED = 0.5
"""Share of the columns that have headings, at least."""
NOTHING = re.compile(r"^[$€£¥]?\s*(?:[—–-]\s*%?|n/?[am])$", re.IGNORECASE)
"""What stands in place of a figure."""
MEASURE = re.compile(r"^(?!\(\d\)$)\D?\d\S*(?:\s\S{1,4})?$")
"""A figure with or without a unit; "(1)" is the mark of a note."""

Extent = tuple[float, float]


@dataclass(frozen=True)
class Heading:
    """A stretch of a heading and the columns that it stands over."""

    part: Segment
    line: Line
    columns: range


def open_figures(lines: Sequence[Line], start: int) -> Grid | None:
    """Return a grid without rows for the columns of figures whose headings begin at ``start``; None where none do."""
    first = _first_row(lines, start)
    if first is None:
        return None
    rows = _rows(lines, first)
    columns = _columns(rows)
    if len(columns) < 2:
        return None
    label = min(row[0].left for row in rows), max(row[0].right for row in rows)
    zones = _zones(label, columns)
    used = _heading_lines(lines[start:first], zones)
    if not used or not _is_together(lines[start : start + used], lines[start + used : first + 1]):
        return None
    headings = _assign(lines[start : start + used], columns, zones)
    texts = [_joined([each.part for each in headings if column in each.columns]) for column in range(len(columns))]
    if sum(bool(text.text) for text in texts) < LEAST_HEADED * len(columns):
        return None
    # A single row may stand below other words by chance, but not below years.
    dated = all(any(YEAR.match(word) for word in text.text.split()) for text in texts)
    beside = [part for line in lines[start : start + used] for part in line.segments if not _is_over(part, zones)]
    return Grid([_joined(beside), *texts], [label, *columns], used=used, amounts=True, least=1 if dated else 2)


def is_figure(text: str) -> bool:
    """Whether a cell holds a figure, or the sign for none; a year may as well be a heading."""
    return (is_number(text) and not YEAR.match(text)) or bool(NOTHING.match(text))


def _first_row(lines: Sequence[Line], start: int) -> int | None:
    """Return the first line with figures below headings, if one follows soon enough."""
    for index in range(start, min(start + MOST_HEADING_LINES, len(lines))):
        if _is_row(joined_segments(lines[index])):
            return index if index > start else None
        if any(len(part.text.split()) > HEADING_WORDS for part in lines[index].segments[1:]):
            return None
    return None


def _is_row(cells: Sequence[Segment]) -> bool:
    """Whether a line is a label with figures, which may stand among a few words or years."""
    if len(cells) < 2 or is_figure(cells[0].text):
        return False
    figures = sum(is_figure(cell.text) for cell in cells[1:])
    words = [cell.text for cell in cells[1:] if not is_figure(cell.text) and not YEAR.match(cell.text)]
    return figures >= min(2, max(1, 2 * len(words))) and figures >= len(words) and all(map(_is_short, words))


def _is_short(text: str) -> bool:
    return len(text.split()) <= MOST_WORDS


def _rows(lines: Sequence[Line], first: int) -> list[list[Segment]]:
    """Return the cells of the rows with figures from ``first`` on, as far as they follow one another."""
    rows: list[list[Segment]] = []
    for index in range(first, min(first + MOST_ROWS, len(lines))):
        line = lines[index]
        step = lines[index - 1].bottom - line.bottom
        if index > first and not 0 < step <= LARGEST_GAP * line.size:
            break
        cells = joined_segments(line)
        if _is_row(cells):
            rows.append(cells)
        elif len(cells) > 1 or cells[0].left > max(row[0].right for row in rows):
            break
    return rows


def _columns(rows: Sequence[Sequence[Segment]]) -> list[Extent]:
    """Return the extents of the columns that the rows stand in; none where they do not."""
    columns = _merged([_extent(cell) for row in rows for cell in row[1:]])
    clear = sum(_stands_apart(row, columns) for row in rows)
    return columns if clear >= 0.9 * len(rows) else []


def _extent(cell: Segment) -> Extent:
    """Return the extent of a cell with its currency sign, which may stand at the other side of a wide column."""
    return min([cell.left, *(word.left for word in cell.words[:1])]), cell.right


def _merged(extents: Sequence[Extent]) -> list[Extent]:
    """Return extents with those joined that overlap."""
    merged: list[Extent] = []
    for left, right in sorted(extents):
        if merged and left < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(right, merged[-1][1]))
        else:
            merged.append((left, right))
    return merged


def _stands_apart(row: Sequence[Segment], columns: Sequence[Extent]) -> bool:
    """Whether no two cells of a row fall into one column, and its label into none."""
    places = [next((n for n, column in enumerate(columns) if column[0] <= cell.right <= column[1]), -1) for cell in row]
    return places[0] == -1 and len(set(places)) == len(places)


def _zones(label: Extent, columns: Sequence[Extent]) -> list[Extent]:
    """Return the columns widened to the middle between neighbours: headings are often wider than figures."""
    width = (columns[-1][1] - columns[0][0]) / len(columns)
    start = max((label[1] + columns[0][0]) / 2, columns[0][0] - width)
    middles = [(one[1] + next_one[0]) / 2 for one, next_one in pairwise(columns)]
    return list(pairwise([start, *middles, columns[-1][1] + width]))


def _is_over(part: Segment, zones: Sequence[Extent]) -> bool:
    return zones[0][0] <= (part.left + part.right) / 2 <= zones[-1][1]


def _heading_lines(lines: Sequence[Line], zones: Sequence[Extent]) -> int:
    """Return how many of the lines before the figures hold headings; labels may follow. 0 where they are something else."""
    over = [index for index, line in enumerate(lines) if any(_is_over(part, zones) for part in line.segments)]
    if not over or over[0] != 0:
        return 0
    kept = lines[: over[-1] + 1]
    if any(MEASURE.match(part.text) and not YEAR.match(part.text) for line in kept for part in line.segments):
        return 0  # a row of values
    if any(_straddles(part, zones) or len(part.text.split()) > HEADING_WORDS for line in kept for part in line.segments):
        return 0
    return len(kept) if _labels_are_beside(kept, zones) else 0


def _straddles(part: Segment, zones: Sequence[Extent]) -> bool:
    """Whether a part stands over the labels and the columns, as a title in the middle of the page does."""
    start = zones[0][0]
    return part.right > start and part.left < start - 0.25 * (part.right - part.left)


def _labels_are_beside(lines: Sequence[Line], zones: Sequence[Extent]) -> bool:
    """Whether what stands above the labels ends beside a heading of a column, and goes on upwards without a gap."""
    heads = [line for line in lines if any(_is_over(part, zones) for part in line.segments)]
    last = None
    for line in sorted(lines, key=lambda line: line.bottom):
        if all(_is_over(part, zones) for part in line.segments):
            continue
        beside = any(abs(head.bottom - line.bottom) < 0.3 * line.size for head in heads)
        if not beside and (last is None or line.bottom - last > STACKED * line.size):
            return False
        last = line.bottom
    return True


def _is_together(headings: Sequence[Line], below: Sequence[Line]) -> bool:
    """Whether the lines of headings follow one another closely, and the lines down to the first figures follow them."""
    size = max(line.size for line in headings)
    levels = sorted({line.bottom for line in headings}, reverse=True) + [line.bottom for line in below]
    return all(0 < above - lower <= LARGEST_STEP * size for above, lower in pairwise(levels))


def _assign(lines: Sequence[Line], columns: Sequence[Extent], zones: Sequence[Extent]) -> list[Heading]:
    """Return what stands over the columns, from top to bottom; nothing where a line above them is a title, not a heading."""
    ruled = any(_rule(part, line, lines, columns) for line in lines for part in line.segments if _is_over(part, zones))
    below = _lowest(lines, columns, zones)
    found: list[Heading] = []
    for line in sorted(lines, key=lambda line: line.bottom):
        parts = [part for part in line.segments if _is_over(part, zones)]
        shares = [] if ruled and (line.rules or len(parts) < 2) else _even_shares(parts, below)
        for number, part in enumerate(parts):
            if shares:
                over = shares[number]
            else:
                known = _rule(part, line, lines, columns) or _continued(part, line, found)
                over = known or _standing_over(part, columns, zones)
                if not known and len(parts) == 1 and len(over) > 1:
                    return []
            found.append(Heading(part, line, over))
    return sorted(found, key=lambda each: -each.line.bottom)


def _lowest(lines: Sequence[Line], columns: Sequence[Extent], zones: Sequence[Extent]) -> Sequence[Extent]:
    """Return where the lowest headings stand if each column has one, else the columns: figures may stand beside the middle."""
    parts = [part for part in min(lines, key=lambda line: line.bottom).segments if _is_over(part, zones)]
    return [(part.left, part.right) for part in parts] if len(parts) == len(columns) else columns


def _rule(part: Segment, line: Line, lines: Sequence[Line], columns: Sequence[Extent]) -> range | None:
    """Return the columns of the longest line that is drawn below a heading and below no other heading; None for only one."""
    best: range | None = None
    for left, right in [*line.rules, *_bridged(part, line)]:
        inside = [number for number, column in enumerate(columns) if left - 2 <= (column[0] + column[1]) / 2 <= right + 2]
        if len(inside) < 2 or not left - 2 <= part.left <= part.right <= right + 2 or (best and len(inside) <= len(best)):
            continue
        shared = any(
            other is not part and left < (other.left + other.right) / 2 < right and abs(each.bottom - line.bottom) < 1
            for each in lines
            for other in each.segments
        )
        lowest = all(each.bottom > line.bottom - 1 for each in lines)
        if not shared and not (lowest and _has_neighbours(part, line, lines, (left, right))):
            best = range(inside[0], inside[-1] + 1)
    return best


def _bridged(part: Segment, line: Line) -> list[Extent]:
    """Return the extent of the lines below a heading that stands over the gap between them."""
    touched = [rule for rule in line.rules if min(rule[1], part.right) - max(rule[0], part.left) > LEAST_TOUCHED]
    if any(left - 2 <= part.left <= part.right <= right + 2 for left, right in touched) or len(touched) < 2:
        return []
    return [(min(left for left, _ in touched), max(right for _, right in touched))]


def _has_neighbours(part: Segment, line: Line, lines: Sequence[Line], rule: Extent) -> bool:
    """Whether other headings end above the last line of this one, beside it: the line below all of them spans no columns."""
    return any(
        rule[0] < (other.left + other.right) / 2 < rule[1] and (other.right < part.left or other.left > part.right)
        for each in lines
        if each.bottom > line.bottom
        for other in each.segments
    )


def _even_shares(parts: Sequence[Segment], columns: Sequence[Extent]) -> list[range]:
    """Return the columns of each heading where all of a line share them out evenly, and each stands in the middle of its own.

    A single column in the middle of three may well have a heading alone: such a heading has to be wide.
    """
    if not parts or len(columns) % len(parts) or len(columns) == len(parts):
        return []
    size = len(columns) // len(parts)
    shares = [range(number * size, (number + 1) * size) for number in range(len(parts))]
    for part, share in zip(parts, shares, strict=True):
        left, right = columns[share[0]][0], columns[share[-1]][1]
        middle = columns[share[size // 2]]
        wide = size % 2 == 0 or part.right - part.left > 1.5 * (middle[1] - middle[0])
        if not wide or abs(part.left + part.right - left - right) / 2 > CENTRED * (right - left):
            return []
    return shares


def _continued(part: Segment, line: Line, below: Sequence[Heading]) -> range | None:
    """Return the columns of the heading whose upper line this is, if it spans several."""
    for each in below:
        step = line.bottom - each.line.bottom
        close = 0 < step <= STACKED * line.size
        middles = abs(part.left + part.right - each.part.left - each.part.right) / 2
        if close and len(each.columns) > 1 and middles <= max(6.0, 0.25 * (part.right - part.left)):
            return each.columns
    return None


def _standing_over(part: Segment, columns: Sequence[Extent], zones: Sequence[Extent]) -> range:
    """Return the columns whose figures a heading covers, or the one that it stands nearest to."""
    covered = [
        n for n, each in enumerate(columns) if min(part.right, each[1]) - max(part.left, each[0]) > 0.5 * (each[1] - each[0])
    ]
    if len(covered) > 1:
        return range(covered[0], covered[-1] + 1)
    overlaps = [min(part.right, zone[1]) - max(part.left, zone[0]) for zone in zones]
    best = max(range(len(zones)), key=overlaps.__getitem__)
    return range(best, best + 1)


def _joined(parts: Sequence[Segment]) -> Segment:
    """Return the lines of a heading as one; a hyphen at a line end joins what stands before and after it."""
    whole = EMPTY
    for part in parts:
        hyphen = whole.text.endswith("-") and part.text[:1].islower()
        whole = joined(whole, part, "") if hyphen else appended(whole, part)
    return whole
