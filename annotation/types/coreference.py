"""Coreference: mentions, and links between mentions of the same thing."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from doyen.annotation.contracts import Proposal, Result
from doyen.annotation.descriptions import NOTHING, TaskDescription
from doyen.annotation.records import Coreference, Region, Relation
from doyen.annotation.types import screen
from doyen.annotation.types.answers import find, quote, split_label
from doyen.annotation.types.mentions import find_mentions
from doyen.annotation.types.regions import MARKS, MarksReader, short, write_marks
from doyen.annotation.types.tokens import tokenise

SAME = "same"
"""Name of the relation on the screen; links carry no name in the store."""
BAR = " | "
"""Between the mentions of one thing; bars inside the words are escaped."""


class CoreferenceKind:
    """Implements ``Kind`` for ``Coreference``."""

    label_type = Coreference

    def screen(self, description: TaskDescription) -> str:
        """Return the labelling configuration: a label to mark mentions with, and a relation to link them."""
        return screen.screen(description, [screen.marks(MARKS, description), screen.relations((SAME,))])

    def read(self, result: Result, text: str, description: TaskDescription) -> tuple[Coreference | None, list[str]]:
        """Return mentions by start, and links."""
        reader = MarksReader(text, description.label_names)
        reader.take(result, ())
        return reader.label(Coreference(tuple(reader.regions), tuple(reader.relations))), reader.problems

    def write(self, label: Coreference, text: str, uid: str) -> Result:
        """Return mentions and links."""
        return write_marks(text, label.mentions, label.links)

    def instruction(self, description: TaskDescription) -> str:
        """Return what a model is asked to do."""
        form = "exact words | exact words" if len(description.labels) == 1 else "LABEL: exact words | LABEL: exact words"
        return (
            "Which words of the text name the same thing? Answer with one line for each thing, and in it all its mentions "
            f"in the order of the text: {form}. If nothing is mentioned, answer {NOTHING}."
        )

    def answer(self, label: Coreference, text: str, description: TaskDescription) -> str:
        """Return one line for each thing: "The pump | it | PN 410-778"; labels only where there are several."""
        mentions = {mention.id: mention for mention in label.mentions}
        lines = []
        for cluster in label.clusters():
            chain = sorted((mentions[name] for name in cluster), key=lambda m: (m.start, m.end, m.label))
            lines.append(BAR.join(_mention(mention, text, description) for mention in chain))
        return "\n".join(lines) or NOTHING

    def parse(self, answer: str, text: str, description: TaskDescription) -> tuple[Coreference | None, list[str]]:
        """Read such lines; each mention is linked to the one before it in its line."""
        mentions: list[Region] = []
        links: list[Relation] = []
        problems: list[str] = []
        for line in filter(None, map(str.strip, answer.split("\n"))):
            if line == NOTHING:
                continue
            chain: list[Region] = []
            for part in line.split(BAR):
                region = _region(part.strip(), str(len(mentions) + 1), text, description)
                if isinstance(region, Region):
                    chain.append(region)
                    mentions.append(region)
                else:
                    problems.append(region)
            links += [Relation(tail.id, head.id) for head, tail in pairwise(chain)]
        label = Coreference(tuple(sorted(mentions, key=lambda m: (m.start, m.end, m.label))), tuple(links))
        return (None if problems and not mentions else label), problems

    def row(self, label: Coreference, text: str) -> dict[str, Any]:
        """Return tokens, and clusters as lists of [first token, last token]; clusters by characters as well."""
        tokens = tokenise(text)
        mentions = {mention.id: mention for mention in label.mentions}
        chains = [sorted((mentions[name] for name in names), key=lambda m: (m.start, m.end)) for names in label.clusters()]
        return {
            "text": text,
            "tokens": [text[start:end] for start, end in tokens],
            "clusters": [[_covered(mention, tokens) for mention in chain] for chain in chains],
            "char_clusters": [[[mention.start, mention.end] for mention in chain] for chain in chains],
        }

    def propose(self, text: str, description: TaskDescription) -> Proposal | None:
        """Return repeated names, and pronouns linked to the name before them."""
        return find_mentions(text, description)


def _mention(mention: Region, text: str, description: TaskDescription) -> str:
    words = quote(text, mention.start, mention.end)
    return words if len(description.labels) == 1 else f"{mention.label}: {words}"


def _region(part: str, identity: str, text: str, description: TaskDescription) -> Region | str:
    """Return the mention that a part of a line means, or what is wrong with it."""
    only = description.label_names[0] if len(description.labels) == 1 else None
    parts = (only, part) if only is not None else split_label(part, description.label_names)
    if parts is None:
        return f"{short(part)} names no known label"
    place = find(text, parts[1])
    if place is None:
        return f"the text does not hold {short(parts[1])}"
    return Region(identity, *place, parts[0])


def _covered(mention: Region, tokens: list[tuple[int, int]]) -> list[int]:
    """Return first and last token that a mention touches."""
    touched = [n for n, (start, end) in enumerate(tokens) if start < mention.end and mention.start < end]
    return [touched[0], touched[-1]] if touched else []
