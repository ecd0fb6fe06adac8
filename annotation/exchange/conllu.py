"""Part-of-speech tags as CoNLL-U (universaldependencies.org/format.html), with the original text rebuilt exactly.

Spacing travels as ``SpaceAfter=No`` and, where it is not one blank, as ``SpacesBefore`` and ``SpacesAfter`` with the escapes
of UDPipe and Stanza. Our own fields travel in a comment. Stretches of the text without a tag are tokens whose UPOS is ``_``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from doyen.annotation.exchange.columns import labelled, own_fields
from doyen.annotation.exchange.record_files import Losses, RecordFile, parse_object, text_lines
from doyen.annotation.types.typed_labels import LabelError, LabelledText, Region, Tags
from doyen.core.files import open_atomic

EXPECTED = "sentences of ten tab-separated columns (CoNLL-U)"
COLUMNS = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
UNREAD = (2, 4, 5, 6, 7, 8)
"""Places of the columns that a tag does not need."""
EMPTY = "_"
UNSAID = [EMPTY] * 5
OWN_COMMENT = "doyen"
RANGE, EMPTY_NODE = re.compile("[0-9]+-[0-9]+"), re.compile(r"[0-9]+\.[0-9]+")
UNTAGGED = re.compile(r"\S+")
WRITABLE = re.compile(r"\S+( \S+)*")
"""A form: single blanks inside at most."""
SAFE_LABEL = re.compile(r"[^\t\r\n]+")
ESCAPES = {"\\": "\\\\", " ": "\\s", "\t": "\\t", "\n": "\\n", "\r": "\\r", "|": "\\p"}
UNESCAPES = {escape: sign for sign, escape in ESCAPES.items()}


def write(labels: Iterator[LabelledText], path: Path, losses: Losses) -> None:
    """Write each text as one sentence."""
    with open_atomic(path) as stream:
        for item in labels:
            if lines := _sentence_lines(item, losses):
                stream.write(("\n".join(lines) + "\n\n").encode("utf-8"))
            else:
                losses.skip("the text has no token")


@dataclass
class Sentence:
    """The comments of a sentence, and its rows with their line numbers."""

    comments: dict[str, str] = field(default_factory=dict)
    rows: list[tuple[int, list[str]]] = field(default_factory=list)


def sentences(file: RecordFile) -> Iterator[tuple[int, Sentence]]:
    """Yield (first line, sentence); lines that are neither comments nor ten columns are noted as broken."""
    sentence, start = Sentence(), 1
    for number, line in text_lines(file):
        if not line or line.isspace():
            if sentence.rows:
                yield start, sentence
            sentence, start = Sentence(), number + 1
        elif line.startswith("#"):
            key, equals, value = line[1:].partition("=")
            if equals:
                sentence.comments[key.strip()] = value.strip()
        elif len(columns := line.split("\t")) != len(COLUMNS):
            file.reject(number, f"expected {len(COLUMNS)} tab-separated columns, found {len(columns)}")
        else:
            sentence.rows.append((number, columns))
    if sentence.rows:
        yield start, sentence


@dataclass(slots=True)
class _Token:
    """A stretch of the surface text: a word, or a multiword token with its words.

    Attributes:
        after: blanks behind it; None for the usual one, or none at the end.
        words: (form, UPOS) of the syntactic words.
        exact: whether the file says exactly which blanks stand around it.
    """

    form: str
    before: str
    after: str | None
    words: list[tuple[str, str]]
    exact: bool


def read_sentence(sentence: Sentence, kind: str, losses: Losses) -> Iterator[LabelledText]:
    """Yield the sentence as a text; the columns besides FORM and UPOS are counted as losses. Raises LabelError."""
    comments = sentence.comments
    tokens = _tokens(sentence, losses)
    text, starts = _rebuild(tokens, comments.get("text"))
    regions: list[Region] = []
    for token, position in zip(tokens, starts, strict=True):
        if "".join(form for form, _ in token.words) != token.form:
            losses.drop("tag of a word inside a multiword token whose words are not in the text", len(token.words))
            continue
        for form, tag in token.words:
            if tag != EMPTY:
                regions.append(Region(str(len(regions)), position, position + len(form), tag))
            position += len(form)
    if OWN_COMMENT in comments:
        own = parse_object(comments[OWN_COMMENT])
    else:
        meta = {key: value for key, value in comments.items() if key not in {"text", "sent_id"}}
        own = {"item_id": comments.get("sent_id"), "meta": meta}
    yield labelled(own, text, Tags(tuple(regions)), ())


def _tokens(sentence: Sentence, losses: Losses) -> list[_Token]:
    """Return the surface tokens in order; lemma, features and syntax are counted as losses.

    Raises:
        LabelError: ids or tags are missing.
    """
    tokens: list[_Token] = []
    covered = 0
    for number, columns in sentence.rows:
        identity, form, upos = columns[0], columns[1], columns[3]
        if columns[2] != EMPTY or columns[4:9] != UNSAID:
            for place in UNREAD:
                losses.drop(COLUMNS[place], int(columns[place] != EMPTY))
        plain = identity.isdecimal()
        if not plain and EMPTY_NODE.fullmatch(identity):
            losses.drop("empty node")
            continue
        if not (plain or RANGE.fullmatch(identity)) or not form or not upos:
            raise LabelError([f"line {number}: {identity!r} is no id, or the form or the tag is missing"])
        if plain and tokens and int(identity) <= covered:
            tokens[-1].words.append((form, upos))
            continue
        before, after, exact = _spacing(columns[9])
        tokens.append(_Token(form, before, after, [(form, upos)] if plain else [], exact))
        covered = covered if plain else int(identity.partition("-")[2])
    if any(not token.words for token in tokens):
        raise LabelError(["a multiword token has no words"])
    return tokens


def _spacing(misc: str) -> tuple[str, str | None, bool]:
    """Return the blanks before and after a token (None: the usual ones), and whether they were given exactly."""
    if misc == EMPTY:
        return "", None, False
    values = dict(part.partition("=")[::2] for part in misc.split("|"))
    before, after = values.get("SpacesBefore"), values.get("SpacesAfter")
    exact = before is not None or after is not None
    if after is None and values.get("SpaceAfter") == "No":
        after = ""
    return _unescape(before or ""), _unescape(after) if after is not None else None, exact


def _rebuild(tokens: list[_Token], comment: str | None) -> tuple[str, list[int]]:
    """Return the text and where each token starts in it.

    The ``text`` comment decides about blanks where tokens do not say them exactly.

    Raises:
        LabelError: the comment and the tokens contradict each other.
    """
    if comment is not None and not any(token.exact for token in tokens):
        return comment, list(_align(tokens, comment))
    text, starts = "", []
    for token in tokens:
        starts.append(len(text) + len(token.before))
        usual = "" if token is tokens[-1] else " "
        text += token.before + token.form + (usual if token.after is None else token.after)
    return text, starts


def _align(tokens: list[_Token], text: str) -> Iterator[int]:
    position = 0
    for token in tokens:
        while not text.startswith(token.form, position):
            if not text[position : position + 1].isspace():
                raise LabelError([f"the token {token.form!r} is not at position {position} of the text comment"])
            position += 1
        yield position
        position += len(token.form)
    if text[position:].strip():
        raise LabelError([f"the text comment goes on after the last token: {text[position:][:40]!r}"])


def _sentence_lines(item: LabelledText, losses: Losses) -> list[str]:
    """Return comments and rows; empty when the text holds nothing but blanks."""
    pieces = list(_pieces(item, losses))
    if not pieces:
        return []
    own = json.dumps(own_fields(item), ensure_ascii=False)
    lines = [f"# sent_id = {_one_line(item.item_id)}", f"# text = {_one_line(item.text)}", f"# {OWN_COMMENT} = {own}"]
    for number, (start, end, tag) in enumerate(pieces, 1):
        last = number == len(pieces)
        before, after = item.text[: start if number == 1 else 0], item.text[end : None if last else pieces[number][0]]
        misc = [f"SpacesBefore={_escape(before)}"] if before else []
        if after != ("" if last else " "):
            misc.append(f"SpacesAfter={_escape(after)}" if after else "SpaceAfter=No")
        lines.append("\t".join([str(number), item.text[start:end], EMPTY, tag, *UNSAID, "|".join(misc) or EMPTY]))
    return lines


def _pieces(item: LabelledText, losses: Losses) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, UPOS) of everything in the text that is not blank, in order."""
    position = 0
    for token in cast(Tags, item.label).regions:
        yield from _untagged(item.text, position, token.start)
        position = token.end
        form = item.text[token.start : token.end]
        if not (form.isalnum() or WRITABLE.fullmatch(form)):
            losses.drop("tag of a token with a line break, tab or outer blank")
        elif not SAFE_LABEL.fullmatch(token.label) or token.label == EMPTY:
            losses.drop("tag that is '_' or holds a tab or line break")
        else:
            yield token.start, token.end, token.label
            continue
        yield from _untagged(item.text, token.start, token.end)
    yield from _untagged(item.text, position, len(item.text))


def _untagged(text: str, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    for found in UNTAGGED.finditer(text, start, end):
        yield found.start(), found.end(), EMPTY


def _escape(blanks: str) -> str:
    return "".join(ESCAPES.get(sign, sign) for sign in blanks)


def _unescape(value: str) -> str:
    return re.sub(r"\\.", lambda found: UNESCAPES.get(found.group(), found.group()), value)


def _one_line(text: str) -> str:
    return " ".join(text.split())
