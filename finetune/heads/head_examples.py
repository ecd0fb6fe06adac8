"""Labels as a head learns them: probabilities of classes or of tags, whoever gave them.

annotator 1: fee ─┐
annotator 2: fee ─┼─▶ {fee: 0.67, card: 0.33}      people who disagree teach that a text is disputed
annotator 3: card ┘                                (Uma et al., "Learning from Disagreement", JAIR 2021)
soft_labels.jsonl  ─▶ {fee: 0.91, card: 0.09}      what labelling functions give together
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from doyen.annotation.types.tokenizer import OUTSIDE, bio_tags, tokenise
from doyen.annotation.types.typed_labels import Classes, Entities, Label, LabelledText, Marks, Region
from doyen.core.errors import InputError, RecordError
from doyen.core.text import is_blank, normalise
from doyen.finetune.heads.head_config import HeadType

Floats = NDArray[np.float32]
Places = tuple[tuple[int, int], ...]
SHOWN = 10
"""Mistakes that a message names."""


@dataclass(frozen=True)
class Item:
    """A text with what is known of it.

    Attributes:
        labels: those of people, none of them twice by one person.
        soft: probability of each class, or of each marked stretch; None where people have labelled the text.
        source, group: what ties it to other texts: its document and its labelling group.
    """

    text: str
    labels: tuple[Label, ...] = ()
    soft: Mapping[Any, float] | None = None
    source: str | None = None
    group: str | None = None

    @property
    def gold(self) -> Label | None:
        """What most people say, of equally many the first; None without people."""
        return max(self.labels, key=self.labels.count) if self.labels else None


@dataclass(frozen=True)
class Example:
    """A text and what a head is to say of it.

    Attributes:
        target: probabilities, ``(options,)``, or of words ``(len(words), options)``; of several classes NaN where it is not
            known whether one applies.
        words: start and end of each word that has a tag; empty where the whole text has classes.
    """

    text: str
    target: Floats
    words: Places = ()


def gather_items(labelled: Iterable[LabelledText]) -> list[Item]:
    """Return the labelled texts, each once with the labels of all people."""
    found: dict[str, list[LabelledText]] = {}
    for entry in labelled:
        if not is_blank(entry.text):
            found.setdefault(normalise(entry.text), []).append(entry)
    return [_item(own) for own in found.values()]


def _item(entries: Sequence[LabelledText]) -> Item:
    meta = entries[0].meta
    # Offsets are those of one wording: another one may be written with other blanks.
    labels = tuple(entry.label for entry in entries if entry.text == entries[0].text)
    return Item(entries[0].text, labels, None, meta.get("source"), meta.get("group"))


def read_soft_labels(path: Path, meta: Mapping[str, Mapping[str, Any]], options: Sequence[str]) -> list[Item]:
    """Read a soft_labels.jsonl as `doyen label weak` writes it.

    Args:
        meta: source and group of each task, by its id.
        options: what the head decides among.

    Raises:
        InputError: the file cannot be read.
        RecordError: lines are broken, or name labels that the project does not have; all are named.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}): name a soft_labels.jsonl") from error
    known = set(options) | {option[2:] for option in options if option[:2] == "B-"}
    items, problems = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            soft = _soft(row)
            text, own = str(row["text"]), meta.get(str(row["id"]), {})
        except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            problems.append(f"line {number} is no soft label ({type(error).__name__}: {error})")
            continue
        strange = {name[2] if isinstance(name, tuple) else name for name in soft} - known
        if strange:
            problems.append(f"line {number} has labels that the project does not have: {', '.join(sorted(strange))}")
        elif soft:
            items.append(Item(text, (), soft, own.get("source"), own.get("group")))
    if problems:
        raise RecordError(f"{path}: {_listed(problems)}")
    return items


def _soft(row: Mapping[str, Any]) -> dict[Any, float]:
    if not row["votes"]:
        return {}
    if "probabilities" in row:
        return {str(name): float(share) for name, share in row["probabilities"].items()}
    return {(int(e["start"]), int(e["end"]), str(e["label"])): float(e["probability"]) for e in row["entities"]}


def make_examples(kind: HeadType, items: Sequence[Item], options: Sequence[str]) -> list[Example]:
    """Return what the head learns from.

    Raises:
        InputError: labels of one text overlap; all such texts are named.
    """
    if kind == HeadType.ENTITIES:
        require_apart(items)
    place = {name: number for number, name in enumerate(options)}
    return [_tagged(kind, item, place) if kind.of_words else _classified(kind, item, place) for item in items]


def require_apart(items: Iterable[Item]) -> None:
    """Raise InputError where entities of one label overlap: a head gives each word one tag."""
    problems = []
    for item in items:
        for label in item.labels:
            if clash := _overlap(item.text, list(label.stretches())):
                first, second = clash
                problems.append(
                    f"{item.text[first.start : first.end]!r} [{first.label}] and "
                    f"{item.text[second.start : second.end]!r} [{second.label}] in {_short(item.text)}"
                )
    if problems:
        raise InputError(
            f"entities overlap, and a head gives each word one label: {_listed(problems)}\n"
            "Correct these labels, or train the generator on this project with `doyen dataset build` and `doyen train`"
        )


def _overlap(text: str, regions: Sequence[Region]) -> tuple[Region, Region] | None:
    """Return the first two regions that share a character or a word of the text."""
    words = tokenise(text)
    taken: dict[tuple[int, int], Region] = {}
    ordered = sorted(regions, key=lambda region: (region.start, region.end))
    for region in ordered:
        for word in (place for place in words if place[0] < region.end and region.start < place[1]):
            if word in taken:
                return taken[word], region
            taken[word] = region
    return None


def _classified(kind: HeadType, item: Item, place: Mapping[str, int]) -> Example:
    unknown = np.nan if item.soft is not None and kind == HeadType.MULTI_LABEL else 0
    target = np.full(len(place), unknown, np.float32)
    if item.labels:
        for label in item.labels:
            for name in cast(Classes, label).labels:
                target[place[name]] += 1 / len(item.labels)
    else:
        for name, share in (item.soft or {}).items():
            target[place[name]] = share
    return Example(item.text, target)


def _tagged(kind: HeadType, item: Item, place: Mapping[str, int]) -> Example:
    if kind == HeadType.POS:
        return _tokens(cast(Marks, item.gold).regions, item.text, place)
    words = tokenise(item.text)
    target = np.zeros((len(words), len(place)), np.float32)
    said: list[tuple[Sequence[Region], float]]
    if item.labels:
        said = [(cast(Entities, label).regions, 1 / len(item.labels)) for label in item.labels]
    else:
        said = [([Region("", *mark)], sure) for mark, sure in (item.soft or {}).items()]
    for regions, share in said:
        for row, tag in enumerate(bio_tags(words, regions)):
            if tag != OUTSIDE:
                target[row, place[tag]] += share
    target[:, place[OUTSIDE]] = np.maximum(1 - target.sum(axis=1), 0)
    return Example(item.text, target / target.sum(axis=1, keepdims=True), tuple(words))


def _tokens(regions: Sequence[Region], text: str, place: Mapping[str, int]) -> Example:
    target = np.zeros((len(regions), len(place)), np.float32)
    for row, region in enumerate(regions):
        target[row, place[region.label]] = 1
    return Example(text, target, tuple((region.start, region.end) for region in regions))


def _listed(problems: Sequence[str]) -> str:
    more = f"\n  … and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    return "".join(f"\n  - {problem}" for problem in problems[:SHOWN]) + more


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")
