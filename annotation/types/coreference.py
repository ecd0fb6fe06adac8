"""Coreference: mentions, and links between mentions of the same thing; drafts link what is named again, and pronouns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from doyen.annotation.types.answer_lines import lines_of, place_of, quote
from doyen.annotation.types.descriptions import NOTHING, TaskDescription
from doyen.annotation.types.drafter import Draft
from doyen.annotation.types.pos import tag_words
from doyen.annotation.types.tokenizer import tokenise
from doyen.annotation.types.typed_labels import Coreference, Region, Relation, by_place

BAR = " | "
"""Between the mentions of one thing; bars inside the words are escaped."""
SCORE, NOTHING_FOUND = 0.4, 0.1
_PERSONAL = frozenset({"he", "she", "him", "his", "her", "hers"})
_IMPERSONAL = frozenset({"it", "its", "they", "them", "their"})
_DETERMINERS = frozenset({"the", "this", "that", "these", "those", "a", "an", "each", "every", "another"})
_INSIDE = frozenset({"ADJ", "NOUN", "PROPN", "NUM"})


def instruction(description: TaskDescription) -> str:
    """Return what a model is asked to do."""
    form = "exact words | exact words" if len(description.labels) == 1 else "LABEL: exact words | LABEL: exact words"
    return (
        "Which words of the text name the same thing? Answer with one line for each thing, and in it all its mentions "
        f"in the order of the text: {form}. If nothing is mentioned, answer {NOTHING}."
    )


def answer(label: Coreference, text: str, description: TaskDescription) -> str:
    """Return one line for each thing: "The pump | it | PN 410-778"; labels only where there are several."""
    prefix = {name: "" if len(description.labels) == 1 else f"{name}: " for name in description.label_names}
    lines = [
        BAR.join(prefix[mention.label] + quote(text, mention.start, mention.end) for mention in chain)
        for chain in label.chains()
    ]
    return "\n".join(lines) or NOTHING


def parse(answer: str, text: str, description: TaskDescription) -> tuple[Coreference | None, list[str]]:
    """Read such lines; each mention is linked to the one before it in its line."""
    only = description.label_names[0] + ": " if len(description.labels) == 1 else ""
    mentions: list[Region] = []
    links: list[Relation] = []
    problems: list[str] = []
    for line in lines_of(answer):
        chain: list[Region] = []
        for part in line.split(BAR):
            found = place_of(only + part.strip(), text, description.label_names)
            if isinstance(found, str):
                problems.append(found)
            else:
                chain.append(Region(str(len(mentions) + 1), *found))
                mentions.append(chain[-1])
        links += [Relation(tail.id, head.id) for head, tail in pairwise(chain)]
    label = Coreference(tuple(sorted(mentions, key=by_place)), tuple(links))
    return (None if problems and not mentions else label), problems


def row(label: Coreference, text: str) -> dict[str, Any]:
    """Return tokens, and clusters as lists of [first token, last token]; clusters by characters as well."""
    tokens = tokenise(text)
    chains = label.chains()
    return {
        "text": text,
        "tokens": [text[start:end] for start, end in tokens],
        "clusters": [[_covered(mention, tokens) for mention in chain] for chain in chains],
        "char_clusters": [[[mention.start, mention.end] for mention in chain] for chain in chains],
    }


def _covered(mention: Region, tokens: list[tuple[int, int]]) -> list[int]:
    """Return first and last token that a mention touches."""
    touched = [n for n, (start, end) in enumerate(tokens) if start < mention.end and mention.start < end]
    return [touched[0], touched[-1]] if touched else []


@dataclass(frozen=True)
class _Phrase:
    """Words that name something; ``head`` is their last noun, which tells things apart. Pronouns have none."""

    start: int
    end: int
    head: str
    is_name: bool


def propose(text: str, description: TaskDescription) -> Draft:
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
