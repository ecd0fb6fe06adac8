"""Labelling screens: Label Studio configurations (XML) generated from task descriptions."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lxml import etree

from doyen.annotation.labelstudio.regions import CLASS, MARKS, REASON, TEXT
from doyen.annotation.types.descriptions import LabelDescription, TaskDescription

ANSWERS = "answers"
"""Key of a review task's data: what each annotator answered, to be read."""
SAME = "same"
"""Name of the relation between mentions of the same thing; links carry no name in a label."""
_GUIDELINE_STYLE = "max-height: 14em; overflow-y: auto; padding: 0 1em; border-left: 4px solid #8d99ae"
_LINE_STYLE = "font-size: 14px; font-weight: 400; line-height: 1.35; margin: 0.2em 0"
_GOLDEN_ANGLE = 0.618033988749895
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")

Tag = Any
"""An lxml element; lxml has no types of its own."""


def prompt_response_screen(description: TaskDescription) -> str:
    """Return the configuration with which questions and answers are labelled; it lies in a file of its own."""
    path = Path(__file__).with_name("prompt_response.xml")
    view = etree.fromstring(path.read_bytes(), etree.XMLParser(remove_blank_text=True))
    view.insert(1, _guideline(description))
    return to_xml(view)


def choices_screen(description: TaskDescription) -> str:
    """Return a configuration with a choice among the labels for the whole text."""
    several = {"choice": "multiple"} if description.multiple else {"choice": "single-radio", "required": "true"}
    choices = etree.Element("Choices", name=CLASS, toName=TEXT, showInline="true", **several)
    for number, label in enumerate(description.labels):
        choices.append(etree.Element("Choice", **_attributes(label), color=color_of(label, number)))
    return _screen(description, [choices])


def marks_screen(description: TaskDescription, relations: Sequence[str] = (), granularity: str = "word") -> str:
    """Return a configuration with labels to mark stretches with.

    Args:
        relations: names of relations between two marked stretches.
        granularity: what a mark snaps to: "word", or "symbol" for nothing.
    """
    marks = etree.Element("Labels", name=MARKS, toName=TEXT)
    for number, label in enumerate(description.labels):
        marks.append(etree.Element("Label", **_attributes(label), background=color_of(label, number)))
    related = etree.Element("Relations")
    related.extend(etree.Element("Relation", value=name) for name in relations)
    return _screen(description, [marks, related] if relations else [marks], granularity)


def _screen(description: TaskDescription, controls: list[Tag], granularity: str = "word") -> str:
    """Return a configuration: title, guideline, controls, and the text that they refer to by the name ``TEXT``."""
    view = etree.Element("View")
    view.append(etree.Element("Header", value="$title", size="5"))
    view.append(_guideline(description))
    view.extend(controls)
    view.append(etree.Element("Text", name=TEXT, value=f"${TEXT}", granularity=granularity))
    return to_xml(view)


def review_screen(config: str) -> str:
    """Return the expert's screen: the annotators' screen, their answers above it, and a field for the reason below."""
    view = etree.fromstring(config.encode("utf-8"))
    shown = next(tag for tag in view.iter() if tag.get("value") == "$text")
    above = [
        etree.Element("Header", value="The annotators' answers (each is also a prediction that you can take over)", size="5"),
        etree.Element("Table", name=ANSWERS, value=f"${ANSWERS}"),
    ]
    for position, tag in enumerate(above):
        view.insert(position, tag)
    below = [
        etree.Element("Header", value="Why do you decide so?", size="5"),
        etree.Element(
            "TextArea",
            name=REASON,
            toName=str(shown.get("name")),
            rows="2",
            maxSubmissions="1",
            editable="true",
            required="true",
            requiredMessage="Say why you decide so",
            placeholder="What the guideline or the document says; it is kept with the decision",
        ),
    ]
    view.extend(below)
    return to_xml(view)


def to_xml(view: Tag) -> str:
    """Return a configuration as text."""
    return str(etree.tostring(view, encoding="unicode", pretty_print=True))


def _guideline(description: TaskDescription) -> Tag:
    """Return the guideline as lines to read: title, rules, what each label means, examples."""
    view = etree.Element("View", style=_GUIDELINE_STYLE)
    meanings = [_meaning(label) for label in description.labels if label.meaning or label.examples]
    lines = [*description.guideline.splitlines(), *meanings, *(f"Example: {example}" for example in description.examples)]
    if description.title:
        view.append(etree.Element("Header", value=literal(description.title), size="5"))
    shown = (literal(line) for line in lines if line.strip())
    view.extend(etree.Element("Header", value=line, size="6", style=_LINE_STYLE) for line in shown)
    return view


def literal(text: str) -> str:
    """Return a text that Label Studio shows as it is: "$50" would be a variable, and controls are no XML."""
    return _NOT_XML.sub(" ", text).replace("$", "$\u2060")


def color_of(label: LabelDescription, number: int) -> str:
    """Return the label's colour, or the one with that number in a palette of hues that lie far apart."""
    if label.color:
        return label.color
    red, green, blue = colorsys.hls_to_rgb((0.55 + number * _GOLDEN_ANGLE) % 1, 0.45, 0.65)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def _attributes(label: LabelDescription) -> dict[str, str]:
    found = {"value": label.name, "hotkey": label.hotkey or "", "hint": literal(label.meaning)}
    return {name: value for name, value in found.items() if value}


def _meaning(label: LabelDescription) -> str:
    examples = ", ".join(f"“{example}”" for example in label.examples)
    return ": ".join(part for part in (label.name, label.meaning, examples and f"for example {examples}") if part)
