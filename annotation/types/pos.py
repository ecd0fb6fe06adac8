"""Part-of-speech tags: one stretch a token, in order and without overlap.

Drafts go by rule: closed classes from a list, endings for the rest.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from doyen.annotation.types.answer_lines import lines_of, place_of, quote
from doyen.annotation.types.descriptions import NOTHING, TaskDescription
from doyen.annotation.types.drafter import Draft
from doyen.annotation.types.tokenizer import tokenise
from doyen.annotation.types.typed_labels import Region, Tags

CERTAIN, GUESSED = 0.95, 0.6
"""How far a closed class, a number or a sign can be trusted, and how far an ending."""
_ENDINGS = (
    ("ADV", re.compile(r".{3,}ly")),
    ("NOUN", re.compile(r".{2,}(?:tion|sion|ment|ness|ity|ance|ence|ship|ism|ist|age|ology|tions|ments|ities)")),
    ("ADJ", re.compile(r".{2,}(?:ous|ful|able|ible|less|ive|ical|ial|ual|ish|ary|ant|ent|ic|al)")),
    ("VERB", re.compile(r".{2,}(?:ing|ed|ise|ize|ised|ized|ify|ifies)")),
)
_NUMERAL = re.compile(r"[-+]?\d[\d.,:/-]*")
_CODE = re.compile(r"(?=.*\d)(?=.*[^\W\d]).+")
_FULL_OR_AUXILIARY = {"have", "has", "had", "having", "do", "does", "did"}
_OBJECTS = {"DET", "NOUN", "PROPN", "NUM", "ADJ", "PUNCT"}
_TO_NOUNS = {"DET", "PRON", "PROPN", "NUM", "ADP", "PUNCT"}


def instruction(description: TaskDescription) -> str:
    """Return what a model is asked to do."""
    return (
        "Tag every token of the text with its part of speech. Answer with one line for each token, in the order of "
        f"the text: TAG: token. If there is no token, answer {NOTHING}."
    )


def answer(label: Tags, text: str, description: TaskDescription) -> str:
    """Return one line a token: "NOUN: pump"."""
    lines, last = [], 0
    for token in label.regions:
        lines.append(f"{token.label}: {quote(text, token.start, token.end, after=last)}")
        last = token.end
    return "\n".join(lines) or NOTHING


def parse(answer: str, text: str, description: TaskDescription) -> tuple[Tags | None, list[str]]:
    """Read such lines; each token is looked for behind the one before it."""
    tokens: list[Region] = []
    problems: list[str] = []
    for line in lines_of(answer):
        found = place_of(line, text, description.label_names, after=tokens[-1].end if tokens else 0)
        if isinstance(found, str):
            problems.append(found)
        else:
            tokens.append(Region(str(len(tokens) + 1), *found))
    return (None if problems and not tokens else Tags(tuple(tokens))), problems


def row(label: Tags, text: str) -> dict[str, Any]:
    """Return tokens and their tags."""
    tokens = [text[token.start : token.end] for token in label.regions]
    return {"text": text, "tokens": tokens, "upos": [token.label for token in label.regions]}


def propose(text: str, description: TaskDescription) -> Draft | None:
    """Return one tagged token for each word and sign; tags that the description lacks are left out."""
    places = tokenise(text)
    words = [text[start:end] for start, end in places]
    tagged = tag_words(words)
    regions = [
        Region(f"t{number}", *place, tag)
        for number, (place, (tag, _)) in enumerate(zip(places, tagged, strict=True))
        if tag in description.label_names
    ]
    if not regions:
        return None
    return Draft(Tags(tuple(regions)), round(sum(score for _, score in tagged) / len(tagged), 3))


def tag_words(words: Sequence[str]) -> list[tuple[str, float]]:
    """Return the universal tag of each word of a text, and how far it can be trusted."""
    found: list[tuple[str, float]] = []
    for number, word in enumerate(words):
        before = found[-1][0] if found else "PUNCT"
        first = before == "PUNCT" and (number == 0 or words[number - 1] not in {",", ";", ":", "-", "(", "/"})
        found.append(_tag(word, before, is_first=first))
    for number, word in enumerate(words):
        before = found[number - 1][0] if number else "PUNCT"
        follower = found[number + 1][0] if number + 1 < len(words) else "PUNCT"
        if word.lower() == "to":
            is_particle = follower not in _TO_NOUNS
            found[number] = ("PART" if is_particle else "ADP", GUESSED)
            if is_particle and follower == "NOUN":
                found[number + 1] = ("VERB", GUESSED)
        elif word.lower() in {"'s", "’s"} and before in {"NOUN", "PROPN"}:
            found[number] = ("PART", GUESSED)
        elif found[number][0] == "NOUN" and word[0].isupper() and follower == "PROPN":
            found[number] = ("PROPN", GUESSED)
        elif word.lower() in _FULL_OR_AUXILIARY and follower in _OBJECTS:
            found[number] = ("VERB", GUESSED)
    return found


def _tag(word: str, before: str, *, is_first: bool) -> tuple[str, float]:
    lower = word.lower().replace("’", "'")
    if lower in _closed_classes():
        return _closed_classes()[lower], CERTAIN
    if _NUMERAL.fullmatch(word):
        return "NUM", CERTAIN
    if not any(character.isalnum() for character in word):
        return ("SYM" if unicodedata.category(word[0]).startswith("S") or word[0] in "%°#&" else "PUNCT"), CERTAIN
    if _CODE.fullmatch(word) or (word[0].isupper() and not is_first):
        return "PROPN", GUESSED
    ending = next((tag for tag, pattern in _ENDINGS if pattern.fullmatch(lower)), None)
    if ending == "VERB" and before in {"DET", "ADJ"}:
        return "NOUN", GUESSED
    if ending is None and before in {"PRON", "AUX", "PART"}:
        return "VERB", GUESSED
    return ending or "NOUN", GUESSED


@cache
def _closed_classes() -> dict[str, str]:
    classes = tomllib.loads(Path(__file__).with_name("closed_classes.toml").read_text(encoding="utf-8"))
    return {word: tag for tag, words in classes.items() for word in words.split()}
