"""Mentions by rule: things that the text names again, and pronouns linked to the name before them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from doyen.annotation.types.descriptions import TaskDescription
from doyen.annotation.types.drafter import Draft
from doyen.annotation.types.tagger import tag_words
from doyen.annotation.types.tokenizer import tokenise
from doyen.annotation.types.typed_labels import Coreference, Region, Relation

SCORE, NOTHING_FOUND = 0.4, 0.1
_PERSONAL = frozenset({"he", "she", "him", "his", "her", "hers"})
_IMPERSONAL = frozenset({"it", "its", "they", "them", "their"})
_DETERMINERS = frozenset({"the", "this", "that", "these", "those", "a", "an", "each", "every", "another"})
_INSIDE = frozenset({"ADJ", "NOUN", "PROPN", "NUM"})


@dataclass(frozen=True)
class _Phrase:
    """Words that name something; ``head`` is their last noun, which tells things apart. Pronouns have none."""

    start: int
    end: int
    head: str
    is_name: bool


def find_mentions(text: str, description: TaskDescription) -> Draft:
    """Return things named at least twice, each mention linked to the one before it; labelled with the first label."""
    last: dict[str, int] = {}
    found: list[_Phrase] = []
    links: dict[int, int] = {}
    for phrase in _phrases(text):
        number = len(found)
        found.append(phrase)
        earlier = last.get(phrase.head) if phrase.head else _antecedent(found, text)
        if earlier is not None:
            links[number] = earlier
        if phrase.head:
            last[phrase.head] = number
    linked = sorted({*links, *links.values()})
    label = description.label_names[0]
    mentions = tuple(Region(f"m{number}", found[number].start, found[number].end, label) for number in linked)
    relations = tuple(Relation(f"m{number}", f"m{earlier}") for number, earlier in links.items())
    return Draft(Coreference(mentions, relations), SCORE if mentions else NOTHING_FOUND)


def _phrases(text: str) -> Iterator[_Phrase]:
    """Yield names, noun phrases with a determiner, and pronouns, from the left."""
    places = tokenise(text)
    words = [text[start:end] for start, end in places]
    tags = [tag for tag, _ in tag_words(words)]
    at = 0
    while at < len(words):
        lower = words[at].lower()
        if lower in _PERSONAL | _IMPERSONAL:
            yield _Phrase(*places[at], head="", is_name=False)
            at += 1
            continue
        first = at + 1 if lower in _DETERMINERS else at
        end = first
        while end < len(words) and tags[end] in (_INSIDE if first > at else {"PROPN"}):
            end += 1
        nouns = [n for n in range(first, end) if tags[n] == "NOUN"] or [n for n in range(first, end) if tags[n] == "PROPN"]
        if nouns:
            head = nouns[-1]
            yield _Phrase(places[at][0], places[end - 1][1], words[head].casefold(), is_name=tags[head] == "PROPN")
        at = max(end, at + 1)


def _antecedent(found: list[_Phrase], text: str) -> int | None:
    """Return the nearest earlier phrase that the pronoun at the end can stand for; its own earlier self counts, too."""
    pronoun = found[-1]
    personal = text[pronoun.start : pronoun.end].lower() in _PERSONAL
    for number in range(len(found) - 2, -1, -1):
        phrase = found[number]
        if phrase.head:
            if phrase.is_name or not personal:
                return number
        elif (text[phrase.start : phrase.end].lower() in _PERSONAL) == personal:
            return number
    return None
