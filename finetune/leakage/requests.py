"""What the leak check compares: what a row or a frozen question asks and answers, and what a leak is.

Two requests can only be one in other words where their numbers, codes and names agree; whether they are decides the answer,
where it says enough to tell: that two questions are both answered by "Every 7,500 hours." is no chance, that two texts are
labelled "complaint" is.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from enum import StrEnum
from functools import cached_property
from itertools import pairwise

from doyen.core.records import REFUSAL, TEXT_MARK, Pair, Question

TELLING_WORDS = 3
"""An answer of so many words beside the little ones, or with a figure, is no chance."""
TELLING_ROWS = 5
"""An answer that more rows share is a class."""
SAME_ANSWER = 0.6
"""Share of the shorter answer's words that are in the longer."""
SPELLING = 0.75
"""Similarity of letters from which one of two words is a misspelling of the other."""
SHOWN = 120
"""Letters of a text that a leak shows."""
_REFUSAL = REFUSAL.casefold().strip(" .!")
_COURTESY_WORDS = "a an the please just so now then do does did is are be can could would will it its to of in on"
_FITTING_MANY = frozenset(["", "yes", "no", "true", "false", "none", "both", "never", "always", _REFUSAL])
_LITTLE_WORDS = "a an the and or of in on at to for by with from is are was were be it its that this"
_LITTLE = frozenset(_LITTLE_WORDS.split())
_ANSWER_WORD = re.compile(r"\w+(?:[.,:/-]\w+)*")
_COURTESIES = frozenset(_COURTESY_WORDS.split())


class LeakKind(StrEnum):
    """How a row's content reaches another part. Manifests hold the values: add to them, never change one."""

    DOCUMENT = "document"
    GROUP = "group"
    EXACT = "exact"
    NORMALISED = "normalised"
    NEAR = "near-duplicate"
    MEANING = "meaning"


TRAIN, VALIDATION, TEST, FROZEN = "train", "validation", "test", "frozen"
_SAID = {TRAIN: "training pair", VALIDATION: "validation pair", TEST: "test pair", FROZEN: "the frozen question"}
_HOW = {
    LeakKind.EXACT: "asks word for word what {} asks",
    LeakKind.NORMALISED: "asks what {} asks but for case, marks or order",
    LeakKind.NEAR: "nearly repeats {}",
    LeakKind.MEANING: "asks in other words what {} asks",
}


@dataclass(frozen=True)
class Request:
    """What one row or frozen question asks.

    Attributes:
        part: train, validation, test or frozen.
        text: the prompt, of a labelling task the text alone, after the user's turn before it.
        answers: what it is answered with; of a labelling task none, because a class says little.
    """

    part: str
    id: str
    text: str
    answers: tuple[str, ...] = ()

    @cached_property
    def plain(self) -> str:
        """The text in one case, without the marks around its words."""
        return " ".join(filter(None, map(_without_outer_marks, _folded(self.text).split())))

    @cached_property
    def words(self) -> frozenset[str]:
        """The words of the plain text."""
        return frozenset(self.plain.split())

    @cached_property
    def numbers(self) -> frozenset[str]:
        """Its numbers and codes."""
        return frozenset(word for word in self.words if _has_digit(word))

    @cached_property
    def names(self) -> frozenset[str]:
        """Its words with a capital that does not begin a sentence."""
        given = self.text.split()
        inside = (word for before, word in pairwise(given) if before[-1] not in ".?!:")
        named = (_without_outer_marks(word) for word in inside)
        return frozenset(_folded(word) for word in named if len(word) > 1 and word[0].isupper())

    @cached_property
    def answer_words(self) -> tuple[frozenset[str], ...]:
        """The words of each answer that says enough to tell."""
        told = [frozenset(_ANSWER_WORD.findall(_folded(answer))) - _LITTLE for answer in self.answers if answer != REFUSAL]
        return tuple(words for words in told if len(words) >= TELLING_WORDS or any(map(_has_digit, words)))


@dataclass(frozen=True)
class Leak:
    """Content of one part that is in another, too.

    Attributes:
        kind: how it got there.
        parts: of the two requests.
        ids: of the two requests.
        texts: what they ask.
        detail: the shared document or group.
        similarity: 0 to 1, where one was measured.
    """

    kind: LeakKind
    parts: tuple[str, str]
    ids: tuple[str, str]
    texts: tuple[str, str]
    detail: str = ""
    similarity: float | None = field(default=None, compare=False)

    def __str__(self) -> str:
        one, other = (f"{_SAID[part]} {name!r}" for part, name in zip(self.parts, self.ids, strict=True))
        if self.kind in {LeakKind.DOCUMENT, LeakKind.GROUP}:
            return f"{one} shares its {self.kind} {self.detail!r} with {other}"
        measured = "" if self.similarity is None else f" ({self.similarity:.2f})"
        shown = " / ".join(repr(_shortened(text)) for text in self.texts)
        return f"{one} {_HOW[self.kind].format(other)}{measured}: {shown}"


def requests_of(part: str, rows: Sequence[Pair | Question]) -> list[Request]:
    """Return what the rows of a part ask."""
    return [_request(part, row) for row in rows]


def without_classes(requests: Sequence[Request]) -> list[Request]:
    """Return the requests without the answers that many share: these are classes."""
    counts = Counter(answer for request in requests for answer in set(request.answers))
    return [
        request
        if all(counts[answer] <= TELLING_ROWS for answer in request.answers)
        else Request(request.part, request.id, request.text, tuple(a for a in request.answers if counts[a] <= TELLING_ROWS))
        for request in requests
    ]


def about_the_same(one: Request, other: Request) -> bool:
    """Whether numbers and codes agree, and each has the other's names."""
    return one.numbers == other.numbers and one.names <= other.words and other.names <= one.words


def same_answer(one: Request, other: Request) -> bool:
    """Whether an answer of one says what an answer of the other says, and says enough to tell."""
    return any(_agree(a, b) for a in one.answer_words for b in other.answer_words)


def equal_answers(one: Request, other: Request) -> bool:
    """Whether an answer of one is an answer of the other, however short, but for those that fit many questions."""
    said = {_folded(answer).strip(" .!") for answer in one.answers} & {_folded(answer).strip(" .!") for answer in other.answers}
    return bool(said - _FITTING_MANY)


def other_answer(one: Request, other: Request) -> bool:
    """Whether both have an answer that says enough to tell, and these say different things."""
    return bool(one.answer_words and other.answer_words) and not same_answer(one, other)


def same_but_for_spelling(one: Request, other: Request) -> bool:
    """Whether the words that only one has are courtesies or misspellings of the other's."""
    left, right = _own_words(one, other)
    if len(left) != len(right):
        return False
    return all(any(SequenceMatcher(None, a, b).ratio() >= SPELLING for b in right) for a in left)


def same_but_for_more(one: Request, other: Request) -> bool:
    """Whether only one of the two has words of its own."""
    left, right = _own_words(one, other)
    return not left or not right


def one_word_apart(one: Request, other: Request) -> bool:
    """Whether each has one word where the other has another: that word tells what is asked about."""
    left, right = _own_words(one, other)
    return len(left) == len(right) == 1


def _own_words(one: Request, other: Request) -> tuple[frozenset[str], frozenset[str]]:
    return one.words - other.words - _COURTESIES, other.words - one.words - _COURTESIES


def _request(part: str, row: Pair | Question) -> Request:
    earlier = [turn.content for turn in row.history if turn.role == "user"][-1:]
    prompt = row.prompt if isinstance(row, Pair) else row.question
    text = "\n".join([*earlier, prompt.rpartition(TEXT_MARK)[2] or prompt])
    if isinstance(row, Question):
        return Request(part, row.id, text, tuple(row.answers) if row.answerable else ())
    return Request(part, row.id, text, () if TEXT_MARK in prompt else (row.response,))


def _agree(one: frozenset[str], other: frozenset[str]) -> bool:
    digits, others = ({word for word in words if _has_digit(word)} for words in (one, other))
    return (
        bool(digits) == bool(others)
        and (digits <= others or others <= digits)
        and len(one & other) >= SAME_ANSWER * min(len(one), len(other))
    )


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _has_digit(word: str) -> bool:
    return any(character.isdigit() for character in word)


def _without_outer_marks(word: str) -> str:
    letters = [place for place, character in enumerate(word) if character.isalnum()]
    return word[letters[0] : letters[-1] + 1] if letters else ""


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
