"""Cutting a parsed document into chunks along its structure.

A document is first cut into atoms that should not be parted (sentences, list items, table rows, headings), then the best
places for the cuts between them are found by dynamic programming over the whole document: chunks near the wanted size,
cuts before headings rather than between paragraphs, between paragraphs rather than within a list, a heading never parted
from what follows. Greedy filling would leave a remainder at the end of each section.

    atoms   # Filter | Replace it yearly. | Close V7 first. | # Seals | Check them each spring. | …
    cost    0          3.0                  0.3               -0.12     3.0                         of a cut before the atom
    chunks  [───────────────────────────────────────────────] [──────────────────────────────────── …
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

from doyen.core.sentences import sentence_ends
from doyen.ingestion.document import CODE_MEDIA_TYPE, Block, ParsedDocument, page_of
from doyen.ingestion.word_pieces import PieceCounter, count_between

VERSION = 2
"""Raise it when the same document would be cut differently: documents are then cut again."""
LARGEST = 1.3
"""Largest chunk, in wanted sizes."""
CHARACTERS_PER_WORD = 12
"""Scripts without spaces: this many characters count as a word at least."""
LONGEST_PART = 20_000
"""Longer blocks are counted in parts of this many characters, to bound memory."""

LONGEST_CAPTION = 160
"""Characters; a longer paragraph before a table introduces more than the table."""
_TABLE_NAME = re.compile(r"(?:table|tabelle|tab\.|tableau|tabla)\s*[\dA-Z]", re.IGNORECASE)
_SENTENCE_ENDS = (".", "!", "?", "。")
_CELLS = re.compile(r": | \| |\t")

BEFORE_HEADING = (-0.12, -0.08, -0.04)
"""Cost of a cut before a heading of level 1, 2, 3 or deeper: negative, such cuts are sought."""
BETWEEN_BLOCKS = 0.1
AFTER_INTRODUCTION = 0.5
"""Between "… as follows:" and the list or table that it introduces."""
WITHIN_LIST = 0.25
WITHIN_PARAGRAPH = 0.3
WITHIN_SENTENCE = 1.0
AFTER_HEADING = 3.0
TOO_LARGE = 3.0
"""Weight of words above the wanted size against words below it."""


@dataclass(frozen=True)
class Chunk:
    """A stretch of a document: ``text == document.text[start:end]``.

    Attributes:
        page: page number from 1 of its first character, or None.
        heading: path of headings it stands under, joined by " > "; a heading that it begins with is part of the path, as is the
            caption of the table that it begins in.
    """

    start: int
    end: int
    page: int | None
    heading: str
    text: str


@dataclass(frozen=True)
class Atom:
    """A stretch that is parted only where it alone is too long; ``cost`` is the price of a cut before it."""

    start: int
    end: int
    words: float
    pieces: int
    cost: float
    block: int


def chunk_document(document: ParsedDocument, *, chunk_words: int, counter: PieceCounter) -> list[Chunk]:
    """Cut a document.

    Args:
        document: the parsed document.
        chunk_words: words that a chunk aims at.
        counter: counts the embedder's word pieces; no chunk has more than ``counter.limit``.

    Returns:
        Chunks in order that do not overlap and together hold every character that is not white space.
    """
    atoms = _atoms(document, int(LARGEST * chunk_words), counter)
    paths = _heading_paths(document)
    chunks = []
    for first, last in _best_cuts(atoms, chunk_words, counter.limit):
        start, end = atoms[first].start, atoms[last].end
        page = page_of(document.pages, start) if document.pages else None
        chunks.append(Chunk(start, end, page, paths[atoms[first].block], document.text[start:end]))
    return chunks


def _best_cuts(atoms: list[Atom], target: int, limit: int) -> list[tuple[int, int]]:
    """Return (first, last) atom of each chunk, so that the sum of all costs is least."""
    best = [0.0] + [float("inf")] * len(atoms)
    came_from = [0] * (len(atoms) + 1)
    for end in range(1, len(atoms) + 1):
        words, pieces = 0.0, 0
        for start in range(end - 1, -1, -1):
            words, pieces = words + atoms[start].words, pieces + atoms[start].pieces
            if start < end - 1 and (words > LARGEST * target or pieces > limit):
                break
            size = words / target - 1
            # The piece limit may end a chunk before it has its words: it is full then.
            full = max(words / target, pieces / limit)
            cost = TOO_LARGE * size * size if size > 0 else (1 - min(1.0, full)) ** 2
            total = best[start] + cost + atoms[start].cost
            if total < best[end]:
                best[end], came_from[end] = total, start
    cuts: list[tuple[int, int]] = []
    end = len(atoms)
    while end > 0:
        cuts.append((came_from[end], end - 1))
        end = came_from[end]
    return cuts[::-1]


def _atoms(document: ParsedDocument, most_words: int, counter: PieceCounter) -> list[Atom]:
    parts = [part for number, block in enumerate(document.blocks) for part in _parts(document.text, number, block)]
    texts = [document.text[start:end] for _, start, end in parts]
    atoms: list[Atom] = []
    for (number, start, _), text, pieces in zip(parts, texts, counter.starts(texts), strict=True):
        block = document.blocks[number]
        whole = block.kind in ("heading", "list_item", "table_row")
        if not whole or count_between(pieces, 0, len(text)) > counter.limit or _words(text) > most_words:
            ends = sentence_ends(text)
        else:
            ends = [len(text)]
        cost = _cost_before(document, number) if start == block.start else WITHIN_SENTENCE
        first = 0
        for last in ends:
            for low, high in _fitting(text, first, last, pieces, most_words, counter.limit):
                atom_text = text[low:high]
                low += len(atom_text) - len(atom_text.lstrip())
                high = low + len(atom_text.strip())
                if low < high:
                    atoms.append(
                        Atom(start + low, start + high, _words(text[low:high]), count_between(pieces, low, high), cost, number)
                    )
                    cost = WITHIN_SENTENCE
            cost = WITHIN_PARAGRAPH
            first = last
    return atoms


def _parts(text: str, number: int, block: Block) -> list[tuple[int, int, int]]:
    """Return a block as (number, start, end), very long ones in several parts that end at white space where there is any."""
    parts, start = [], block.start
    while block.end - start > LONGEST_PART:
        end = start + LONGEST_PART
        spaces = [match.end() for match in re.finditer(r"\s+", text[end - 2000 : end])]
        end = end - 2000 + spaces[-1] if spaces else end
        parts.append((number, start, end))
        start = end
    return [*parts, (number, start, block.end)]


def _fitting(text: str, start: int, end: int, pieces: list[int], most_words: int, limit: int) -> list[tuple[int, int]]:
    """Return (start, end) of parts of one atom that fit, cut at clauses, else at spaces, else anywhere."""
    parts = []
    while count_between(pieces, start, end) > limit or _words(text[start:end]) > most_words:
        index = bisect_right(pieces, start - 1) + limit
        reach = min(end, pieces[index] if index < len(pieces) else end, start + most_words * CHARACTERS_PER_WORD)
        while _words(text[start:reach]) > most_words:
            reach = start + int((reach - start) * most_words / _words(text[start:reach]))
        reach = max(reach, start + 1)
        cut = _last_break(text, start, reach)
        parts.append((start, cut))
        start = cut
    return [*parts, (start, end)] if start < end else parts


def _last_break(text: str, start: int, reach: int) -> int:
    for pattern in (r"[;:|,，、；：]\s+|[，、；：]", r"\s+"):
        breaks = [match.end() for match in re.finditer(pattern, text[start:reach])]
        if breaks and breaks[-1] > (reach - start) // 2:
            return start + breaks[-1]
    return reach


def _cost_before(document: ParsedDocument, number: int) -> float:
    """Return the cost of a cut before a block."""
    if number == 0:
        return 0.0
    block, above = document.blocks[number], document.blocks[number - 1]
    if above.kind == "heading":
        return AFTER_HEADING
    if block.kind == "heading":
        return BEFORE_HEADING[min(block.level, len(BEFORE_HEADING)) - 1]
    if block.group == above.group:
        return WITHIN_LIST
    if block.kind in ("list_item", "table_row", "code") and document.text[above.end - 1] in ":：":
        return AFTER_INTRODUCTION
    return BETWEEN_BLOCKS


def _heading_paths(document: ParsedDocument) -> list[str]:
    """Return for each block the path of headings that it stands under, its own included."""
    path: list[tuple[int, str]] = []
    captions = _captions(document)
    paths = []
    for block in document.blocks:
        if block.kind == "heading":
            while path and path[-1][0] >= block.level:
                path.pop()
            path.append((block.level, " ".join(_name(document, block).split())[:120]))
        caption = captions.get(block.group, "") if block.kind == "table_row" else ""
        paths.append(" > ".join(filter(None, [*(text for _, text in path), caption])))
    return paths


def _captions(document: ParsedDocument) -> dict[int, str]:
    """Return the captions of tables by their groups, so that each chunk of a long table is found by what it is about.

    A caption is a short paragraph above that begins with "Table" or is no sentence, or a first row of a single cell.
    """
    captions: dict[int, str] = {}
    for above, block in pairwise(document.blocks):
        if block.kind != "table_row" or above.group == block.group:
            continue
        before, row = (" ".join(document.text[each.start : each.end].split()) for each in (above, block))
        is_caption = above.kind == "paragraph" and (_TABLE_NAME.match(before) or not before.endswith(_SENTENCE_ENDS))
        if is_caption and len(before) <= LONGEST_CAPTION:
            captions[block.group] = before.rstrip(":： ")
        elif not _CELLS.search(row) and len(row) <= LONGEST_CAPTION:
            captions[block.group] = row
    return captions


def _name(document: ParsedDocument, block: Block) -> str:
    """Return a heading's words; in source code its last line, the comments above a function are not its name."""
    text = document.text[block.start : block.end]
    return text.rsplit("\n", 1)[-1] if document.media_type == CODE_MEDIA_TYPE else text


def _words(text: str) -> float:
    return max(float(len(text.split())), len(text) / CHARACTERS_PER_WORD)
