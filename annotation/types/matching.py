"""Drafts by words: classes and entities from the examples in the description, sentiment from a small word list."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

from doyen.annotation.types.descriptions import LabelDescription, TaskDescription
from doyen.annotation.types.drafter import Draft
from doyen.annotation.types.typed_labels import Classes, Entities, Region

IN_EXAMPLE, IN_NAME, IN_MEANING, WHOLE_EXAMPLE = 2.0, 2.0, 1.0, 4.0
"""What a word that the text shares with a label's parts counts, and a whole example found in the text."""
EXACT, SHAPE, NOTHING_FOUND = 0.8, 0.5, 0.1
"""How far an example found in the text can be trusted, and how far something of the same shape."""
_WORD = re.compile(r"[^\W_]{3,}")
_PARTS = re.compile(r"\d+(?:[.,]\d+)*|[A-Z]+|\s+|.", re.DOTALL)
_NEGATION_REACH = 3
"""How many words a negation turns round."""


def match_classes(text: str, description: TaskDescription) -> Draft | None:
    """Return the class whose name, meaning and examples share most words with the text; several where that is allowed."""
    weights = {label.name: _weight(text, label) for label in description.labels}
    ranked = sorted(description.label_names, key=lambda name: -weights[name])
    best = weights[ranked[0]]
    if best == 0:
        return Draft(Classes(()), NOTHING_FOUND) if description.multiple else None
    second = weights[ranked[1]] if len(ranked) > 1 else 0.0
    if description.multiple:
        chosen = tuple(name for name in description.label_names if weights[name] >= max(best / 2, IN_EXAMPLE))
        return Draft(Classes(chosen), round(best / (best + IN_EXAMPLE), 3))
    return Draft(Classes((ranked[0],)), round(best / (best + second + 1), 3))


def match_sentiment(text: str, description: TaskDescription) -> Draft | None:
    """Return the feeling that most words of the list show, negations heeded; other labels are matched as classes."""
    names = {name.casefold(): name for name in description.label_names}
    if not {"positive", "negative"} <= names.keys():
        return match_classes(text, description)
    good, bad = _feelings(text)
    if good == bad:
        neutral = names.get("neutral")
        return Draft(Classes((neutral,)), 0.5 if good == 0 else 0.3) if neutral else None
    feeling = names["positive" if good > bad else "negative"]
    return Draft(Classes((feeling,)), round((abs(good - bad) + 0.5) / (good + bad + 1), 3))


def match_entities(text: str, description: TaskDescription) -> Draft:
    """Return the examples that the text holds, and what has the shape of an example with digits ("PN 410-778")."""
    found: dict[tuple[int, int], tuple[float, str]] = {}
    for label in description.labels:
        for example in filter(str.strip, label.examples):
            patterns = [(EXACT, _exactly(example))]
            if any(character.isdigit() for character in example):
                patterns.append((SHAPE, _shaped_like(example)))
            for score, pattern in patterns:
                for match in pattern.finditer(text):
                    found.setdefault(match.span(), (score, label.name))
    kept = [place for place in found if not any(_within(place, other) for other in found)]
    regions = tuple(Region(f"e{start}-{end}", start, end, found[start, end][1]) for start, end in sorted(kept))
    scores = [found[place][0] for place in kept]
    return Draft(Entities(regions), round(sum(scores) / len(scores), 3) if scores else NOTHING_FOUND)


def _weight(text: str, label: LabelDescription) -> float:
    words = _words(text)
    parts = ((IN_NAME, label.name), (IN_MEANING, label.meaning), (IN_EXAMPLE, " ".join(label.examples)))
    shared: dict[str, float] = {}
    for value, part in parts:
        shared |= {word: max(shared.get(word, 0.0), value) for word in _words(part) & words}
    whole = sum(bool(_exactly(example).search(text)) for example in label.examples if example.strip())
    return sum(shared.values()) + WHOLE_EXAMPLE * whole


def _words(text: str) -> set[str]:
    """Return words in lower case without a plural's s, common ones left out."""
    return {word.removesuffix("s") for word in _WORD.findall(text.lower()) if word not in _word_lists()["common"]}


def _exactly(example: str) -> re.Pattern[str]:
    words = r"\s+".join(map(re.escape, example.split()))
    return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)


def _shaped_like(example: str) -> re.Pattern[str]:
    """Return a pattern with any digits and any capitals in the places of the example's."""
    parts = []
    for part in _PARTS.findall(example.strip()):
        if part[0].isdigit():
            parts.append(r"\d+(?:[.,]\d+)*")
        elif part.isspace():
            parts.append(r"\s+")
        else:
            parts.append("[A-Z]+" if re.fullmatch("[A-Z]+", part) else re.escape(part))
    return re.compile(rf"(?<![\w-]){''.join(parts)}(?![\w-])")


def _within(place: tuple[int, int], other: tuple[int, int]) -> bool:
    return place != other and other[0] <= place[0] and place[1] <= other[1]


def _feelings(text: str) -> tuple[int, int]:
    """Count words that show content and discontent."""
    lists = _word_lists()
    good = bad = 0
    reach = 0
    for word in re.findall(r"[\w'’]+|[.!?;,]", text.lower().replace("’", "'")):
        if word in lists["negations"] or word.endswith("n't"):
            reach = _NEGATION_REACH
            continue
        feeling = (word in lists["positive"]) - (word in lists["negative"])
        turned = -feeling if reach > 0 else feeling
        good, bad = good + (turned > 0), bad + (turned < 0)
        reach = 0 if word in ".!?;," else reach - 1
    return good, bad


@cache
def _word_lists() -> dict[str, frozenset[str]]:
    raw = tomllib.loads(Path(__file__).with_name("word_lists.toml").read_text(encoding="utf-8"))
    return {name: frozenset(words.split()) for name, words in raw.items()}
