"""Named entities: stretches of the text with a label, which may overlap, and relations between them."""

from __future__ import annotations

import re
from typing import Any

from doyen.annotation.types.answer_lines import lines_of, place_of, quote
from doyen.annotation.types.descriptions import NOTHING, TaskDescription
from doyen.annotation.types.matching import match_entities as propose
from doyen.annotation.types.tokenizer import bio_tags, tokenise
from doyen.annotation.types.typed_labels import Entities, Region, Relation, by_place, short

__all__ = ["answer", "instruction", "parse", "propose", "row"]

_NUMBERED = re.compile(r"(\d+) (.+)", re.DOTALL)
_RELATION = re.compile(r"(\d+) -(.+)-> (\d+)")


def instruction(description: TaskDescription) -> str:
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


def answer(label: Entities, text: str, description: TaskDescription) -> str:
    """Return one line for each entity, "PART: PN 410-778", and for each relation, "1 -has interval-> 2"."""
    regions = sorted(label.regions, key=by_place)
    lines = [f"{region.label}: {quote(text, region.start, region.end)}" for region in regions]
    if description.relations:
        number = {region.id: n for n, region in enumerate(regions, start=1)}
        lines = [f"{n} {line}" for n, line in enumerate(lines, start=1)]
        lines += [f"{number[link.head]} -{link.label}-> {number[link.tail]}" for link in label.relations]
    return "\n".join(lines) or NOTHING


def parse(answer: str, text: str, description: TaskDescription) -> tuple[Entities | None, list[str]]:
    """Read such lines; regions get the ids "1", "2", … of their lines."""
    regions: dict[str, Region] = {}
    relations: list[Relation] = []
    problems: list[str] = []
    for line in lines_of(answer):
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
        found = place_of(body, text, description.label_names)
        if isinstance(found, str):
            problems.append(found)
        else:
            regions[identity] = Region(identity, *found)
    label = Entities(tuple(regions.values()), tuple(relations))
    return (None if problems and not regions else label), problems


def row(label: Entities, text: str) -> dict[str, Any]:
    """Return tokens with BIO tags, the longest entity first where they overlap, and all entities by offsets."""
    tokens = tokenise(text)
    regions = sorted(label.regions, key=by_place)
    number = {region.id: n for n, region in enumerate(regions)}
    return {
        "text": text,
        "tokens": [text[start:end] for start, end in tokens],
        "ner_tags": bio_tags(tokens, regions),
        "entities": [{"start": region.start, "end": region.end, "label": region.label} for region in regions],
        "relations": [{"head": number[link.head], "tail": number[link.tail], "label": link.label} for link in label.relations],
    }
