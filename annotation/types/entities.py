"""Named entities: stretches of the text with a label, which may overlap, and relations between them."""

from __future__ import annotations

import re
from typing import Any

from doyen.annotation.contracts import Proposal, Result
from doyen.annotation.descriptions import NOTHING, TaskDescription
from doyen.annotation.records import Entities, Region, Relation
from doyen.annotation.types import screen
from doyen.annotation.types.answers import find, quote, split_label
from doyen.annotation.types.matching import match_entities
from doyen.annotation.types.regions import MARKS, MarksReader, short, write_marks
from doyen.annotation.types.tokens import bio_tags, tokenise

_NUMBERED = re.compile(r"(\d+) (.+)", re.DOTALL)
_RELATION = re.compile(r"(\d+) -(.+)-> (\d+)")


class EntitiesKind:
    """Implements ``Kind`` for ``Entities``."""

    label_type = Entities

    def screen(self, description: TaskDescription) -> str:
        """Return the labelling configuration: labels to mark with, and names of relations where there are any."""
        controls = [screen.marks(MARKS, description)]
        if description.relations:
            controls.append(screen.relations(description.relations))
        return screen.screen(description, controls)

    def read(self, result: Result, text: str, description: TaskDescription) -> tuple[Entities | None, list[str]]:
        """Return regions by start, and relations."""
        reader = MarksReader(text, description.label_names)
        reader.take(result, description.relations or None)
        return reader.label(Entities(tuple(reader.regions), tuple(reader.relations))), reader.problems

    def write(self, label: Entities, text: str, uid: str) -> Result:
        """Return regions and relations."""
        return write_marks(text, label.regions, label.relations)

    def instruction(self, description: TaskDescription) -> str:
        """Return what a model is asked to do."""
        if not description.relations:
            return (
                "Find the named entities in the text. Answer with one line for each, in the order of the text: "
                f"LABEL: exact words. If there are none, answer {NOTHING}."
            )
        return (
            "Find the named entities in the text and how they are related. Answer with one numbered line for each entity, "
            "in the order of the text: 1 LABEL: exact words. Then one line for each relation: 1 -relation-> 2. "
            f"The relations are: {', '.join(description.relations)}. If there are no entities, answer {NOTHING}."
        )

    def answer(self, label: Entities, text: str, description: TaskDescription) -> str:
        """Return one line for each entity, "PART: PN 410-778", and for each relation, "1 -has interval-> 2"."""
        regions = sorted(label.regions, key=lambda region: (region.start, region.end, region.label))
        lines = [f"{region.label}: {quote(text, region.start, region.end)}" for region in regions]
        if description.relations:
            number = {region.id: n for n, region in enumerate(regions, start=1)}
            lines = [f"{n} {line}" for n, line in enumerate(lines, start=1)]
            lines += [f"{number[link.head]} -{link.label}-> {number[link.tail]}" for link in label.relations]
        return "\n".join(lines) or NOTHING

    def parse(self, answer: str, text: str, description: TaskDescription) -> tuple[Entities | None, list[str]]:
        """Read such lines; regions get the ids "1", "2", … of their lines."""
        regions: dict[str, Region] = {}
        relations: list[Relation] = []
        problems: list[str] = []
        for line in filter(None, map(str.strip, answer.split("\n"))):
            if line == NOTHING:
                continue
            identity, body = str(len(regions) + 1), line
            if description.relations:
                if (link := _RELATION.fullmatch(line)) and link[2] in description.relations:
                    if link[1] in regions and link[3] in regions and link[1] != link[3]:
                        relations.append(Relation(link[1], link[3], link[2]))
                    else:
                        problems.append(f"{short(line)} does not link two of the entities above it")
                    continue
                numbered = _NUMBERED.fullmatch(line)
                identity, body = (numbered[1], numbered[2]) if numbered else (identity, line)
            region = _region(body, identity, text, description)
            if isinstance(region, Region):
                regions[identity] = region
            else:
                problems.append(region)
        label = Entities(tuple(regions.values()), tuple(relations))
        return (None if problems and not regions else label), problems

    def row(self, label: Entities, text: str) -> dict[str, Any]:
        """Return tokens with BIO tags, the longest entity first where they overlap, and all entities by offsets."""
        tokens = tokenise(text)
        regions = sorted(label.regions, key=lambda region: (region.start, region.end, region.label))
        number = {region.id: n for n, region in enumerate(regions)}
        return {
            "text": text,
            "tokens": [text[start:end] for start, end in tokens],
            "ner_tags": bio_tags(tokens, regions),
            "entities": [{"start": region.start, "end": region.end, "label": region.label} for region in regions],
            "relations": [
                {"head": number[link.head], "tail": number[link.tail], "label": link.label} for link in label.relations
            ],
        }

    def propose(self, text: str, description: TaskDescription) -> Proposal | None:
        """Return what looks like the examples of the labels."""
        return match_entities(text, description)


def _region(line: str, identity: str, text: str, description: TaskDescription) -> Region | str:
    """Return the region that a line means, or what is wrong with it."""
    parts = split_label(line, description.label_names)
    if parts is None:
        return f"{short(line)} names no known label"
    place = find(text, parts[1])
    if place is None:
        return f"the text does not hold {short(parts[1])}"
    return Region(identity, *place, parts[0])
