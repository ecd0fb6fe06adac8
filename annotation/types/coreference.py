"""Coreference: mentions, and links between mentions of the same thing."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from doyen.annotation.types.answer_lines import lines_of, place_of, quote
from doyen.annotation.types.descriptions import NOTHING, TaskDescription
from doyen.annotation.types.mentions import find_mentions as propose
from doyen.annotation.types.tokenizer import tokenise
from doyen.annotation.types.typed_labels import Coreference, Region, Relation, by_place

__all__ = ["answer", "instruction", "parse", "propose", "row"]

BAR = " | "
"""Between the mentions of one thing; bars inside the words are escaped."""


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
