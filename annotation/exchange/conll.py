"""Named entities in CoNLL-2003's columns: a token and its tag on a line, a blank line after each text.

Written as IOB2; read as IOB1, IOB2, BIOES or BILOU, with any columns in between. The format holds tokens and nothing else:
the text that comes back is the tokens with single blanks between them, and ids, annotators and relations are gone. All
of that is counted in the losses. A text that came from such a file is cut at its blanks again, so that its tokens stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import cast

import regex

from doyen.annotation.exchange.record_files import Losses, RecordFile, text_lines
from doyen.annotation.types.typed_labels import Entities, LabelError, LabelledText, Region
from doyen.core.files import open_atomic
from doyen.core.manifest import short_id

BLANKS = re.compile(" +")
DOCUMENT = "-DOCSTART-"
OUTSIDE = "O"
CUT, AT_BLANKS = "tokens", "at blanks"
"""What the metadata say about a text whose tokens are known."""
BEGINS, CONTINUES, ENDS = "BSU", "IELM", "ESLU"
"""First letters of tags: of an entity's first token, of one that may go on with it, and of its last one."""
EXPECTED = "a token and its tag on each line, as 'Bob B-PER', and a blank line between sentences"
_BETWEEN_BLANKS = regex.compile("[^ ]+")
_WORDS_AND_SIGNS = regex.compile(r"[\p{L}\p{N}_]+(?:[\p{M}\u200d]+[\p{L}\p{N}_]*)*|[^\s\x1c-\x1f][\p{M}\u200d]*")
"""Combining marks and joiners stay with the character before them, so that no accent becomes a token of its own."""

Token = tuple[int, str, str]
"""Line number, form and tag."""


def write(labels: Iterator[LabelledText], path: Path, losses: Losses) -> None:
    """Write each text as one block of tokens; of overlapping entities the longest is kept."""
    with open_atomic(path) as stream:
        for item in labels:
            rows = _tagged(item, losses)
            if not rows:
                losses.skip("the text has no token")
                continue
            _count_losses(item, [form for form, _ in rows], losses)
            block = "".join(f"{form} {tag}\n" for form, tag in rows)
            # A token that starts with a byte order mark must not be the first thing in the file.
            lead = "\n" if block.startswith("\ufeff") else ""
            stream.write(f"{lead}{block}\n".encode())


def sentences(file: RecordFile) -> Iterator[tuple[int, list[Token]]]:
    """Yield (first line, tokens) of each sentence; lines without a tag are noted as broken."""
    sentence: list[Token] = []
    for number, line in text_lines(file):
        columns = line.split("\t") if "\t" in line else BLANKS.split(line.strip(" "))
        if not line.strip() or columns[0] == DOCUMENT:
            if sentence:
                yield sentence[0][0], sentence
            sentence = []
        elif len(columns) < 2:
            file.reject(number, f"expected a token and a tag, found {line[:40]!r}")
        else:
            sentence.append((number, columns[0], columns[-1].strip()))
    if sentence:
        yield sentence[0][0], sentence


def read_sentence(sentence: list[Token], kind: str, losses: Losses) -> Iterator[LabelledText]:
    """Yield the tokens joined by blanks, with runs of tags as entities. Raises LabelError."""
    forms = [form for _, form, _ in sentence]
    text, places = joined(forms)
    regions = entities_of_tags(places, [tag for _, _, tag in sentence])
    yield LabelledText(short_id(text), text, Entities(tuple(regions)), meta={CUT: AT_BLANKS})


def joined(forms: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Return the tokens joined by blanks, and the place of each in that text."""
    places, position = [], 0
    for form in forms:
        places.append((position, position + len(form)))
        position += len(form) + 1
    return " ".join(forms), places


def entities_of_tags(places: Sequence[tuple[int, int]], tags: Sequence[str]) -> list[Region]:
    """Gather runs of tags (IOB1, IOB2, BIOES, BILOU) over tokens at the given (start, end) into entities.

    Raises:
        LabelError: a tag is none.
    """
    regions: list[Region] = []
    open_label = ""
    for (start, end), tag in zip(places, tags, strict=True):
        prefix, _, label = tag.partition("-")
        if tag == OUTSIDE:
            open_label = ""
            continue
        if not label or len(prefix) != 1 or prefix not in BEGINS + CONTINUES:
            raise LabelError([f"{tag!r} is no tag of the forms O, B-X, I-X, E-X, S-X"])
        if prefix in CONTINUES and open_label == label:
            regions[-1] = Region(regions[-1].id, regions[-1].start, end, label)
        else:
            regions.append(Region(str(len(regions)), start, end, label))
        open_label = "" if prefix in ENDS else label
    return regions


def _tagged(item: LabelledText, losses: Losses) -> list[tuple[str, str]]:
    """Return the tokens of a text with their IOB2 tags; entities that tags cannot say are counted."""
    entities = _representable(item.text, cast(Entities, item.label), losses)
    cuts = sorted({offset for entity in entities for offset in (entity.start, entity.end)})
    rows: list[tuple[str, str]] = []
    waiting = iter(entities)
    entity = next(waiting, None)
    for start, end in _tokens(item.text, cuts, _BETWEEN_BLANKS if item.meta.get(CUT) == AT_BLANKS else _WORDS_AND_SIGNS):
        while entity is not None and entity.end <= start:
            entity = next(waiting, None)
        inside = entity is not None and start >= entity.start
        tag = f"{'B' if start == entity.start else 'I'}-{entity.label}" if entity and inside else OUTSIDE
        rows.append((item.text[start:end], tag))
    return rows


def _tokens(text: str, cuts: list[int], pattern: regex.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of tokens, none with a blank in it, cut also at the given offsets."""
    waiting = iter(cuts)
    cut = next(waiting, len(text))
    for found in pattern.finditer(text):
        start, end = found.span()
        inner = []
        while cut < end:
            inner += [cut] if cut > start else []
            cut = next(waiting, len(text))
        yield from pairwise([start, *inner, end])


def _representable(text: str, label: Entities, losses: Losses) -> list[Region]:
    """Return the entities in order, without overlaps and without blanks at their edges."""
    kept: list[Region] = []
    for entity in sorted(label.regions, key=lambda region: (region.start - region.end, region.start)):
        words = text[entity.start : entity.end]
        start = entity.start + len(words) - len(words.lstrip())
        end = entity.end - (len(words) - len(words.rstrip()))
        if start >= end:
            losses.drop("entity of blanks alone")
        elif any(start < other.end and other.start < end for other in kept):
            losses.drop("overlapping entity")
        elif not entity.label.strip() or any(sign.isspace() for sign in entity.label):
            losses.drop("entity whose label holds a blank")
        else:
            losses.drop("blank at the edge of an entity", int((start, end) != (entity.start, entity.end)))
            kept.append(Region(entity.id, start, end, entity.label))
    return sorted(kept, key=lambda region: region.start)


def _count_losses(item: LabelledText, forms: list[str], losses: Losses) -> None:
    losses.drop("relation", len(cast(Entities, item.label).relations))
    losses.drop("spacing of the text", int(" ".join(forms) != item.text))
    losses.drop("item_id")
    losses.drop("annotator", int(bool(item.annotator)))
    losses.drop("created_at", int(bool(item.created_at)))
    losses.drop("meta", int(bool(item.meta.keys() - {CUT})))
