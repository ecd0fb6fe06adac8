"""A follow-up question made to stand alone, so that retrieval finds what the conversation is about."""

from __future__ import annotations

import re
from collections.abc import Sequence

from doyen.core.records import Turn
from doyen.retrieval.tokens import tokens

SHORT = 4
"""Informative words; a question with fewer leans on what was said before."""
MAX_CARRIED = 12
"""Words taken over from earlier turns: more would drown the question."""
MAX_ANSWER_WORDS = 6
"""Of them, at most so many from the assistant's answer."""

_LEANING = re.compile(
    r"\b(it|its|itself|they|them|their|theirs|he|him|his|she|her|hers|this|that|these|those|there|then|one|ones|same|such|"
    r"former|latter|above|previous|mentioned|else|instead|either|neither|both)\b",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"^\s*(and|but|or|so|what about|how about|what if|also|then|why not|for|in|with|on|at|only)\b", re.IGNORECASE
)
_WORD = re.compile(r"\w[\w\-./]*\w|\w")
_NAME = re.compile(r"[A-Z0-9]")


def standalone_query(question: str, history: Sequence[Turn]) -> str:
    """Return the question, with what it leans on added from earlier turns when it cannot stand alone.

    A question leans on earlier turns when it is short, opens like a continuation ("and for …") or refers back ("it",
    "these"). Then the informative words of the user's last self-contained question are put behind it, and names,
    numbers and codes of the last answer. A question that stands alone comes back as it is.

    Args:
        question: the newest message.
        history: earlier turns, oldest first.
    """
    asked = [turn.content for turn in history if turn.role == "user"]
    if not asked or not _leans(question):
        return question
    known = set(tokens(question))
    carried = _fresh_words(_topic(asked), known)[:MAX_CARRIED]
    answers = [turn.content for turn in history if turn.role == "assistant"]
    if answers:
        names = [word for word in _fresh_words(answers[-1], known) if _NAME.search(word)]
        carried += names[: min(MAX_ANSWER_WORDS, MAX_CARRIED - len(carried))]
    return f"{question.strip()} {' '.join(carried)}" if carried else question


def _leans(question: str) -> bool:
    informative = tokens(question)
    return len(set(informative)) < SHORT or bool(_OPENING.match(question) or _LEANING.search(question))


def _topic(asked: Sequence[str]) -> str:
    """Return the user's last question that stands alone, with the follow-ups after it; at most the last three."""
    recent = list(asked[-3:])
    for back in range(len(recent) - 1, -1, -1):
        if not _leans(recent[back]):
            return " ".join(reversed(recent[back:]))
    return " ".join(reversed(recent))


def _fresh_words(text: str, known: set[str]) -> list[str]:
    """Return the words of a text whose tokens are not known yet, in order, and note them as known."""
    fresh = []
    for word in _WORD.findall(text):
        new = set(tokens(word)) - known
        if new:
            known |= new
            fresh.append(word)
    return fresh
