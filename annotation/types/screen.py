"""Labelling screens: Label Studio configurations (XML) generated from task descriptions."""

from __future__ import annotations

import colorsys
import re
from typing import Any

from lxml import etree

from doyen.annotation.descriptions import LabelDescription, TaskDescription

TEXT = "text"
"""Name of the text on every screen but that of prompt and response, and the key of a task's data that holds it."""
_GUIDELINE_STYLE = "max-height: 14em; overflow-y: auto; padding: 0 1em; border-left: 4px solid #8d99ae"
_LINE_STYLE = "font-size: 14px; font-weight: 400; line-height: 1.35; margin: 0.2em 0"
_GOLDEN_ANGLE = 0.618033988749895
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")

Tag = Any
"""An lxml element; lxml has no types of its own."""


def screen(description: TaskDescription, controls: list[Tag], *, granularity: str = "word") -> str:
    """Return a screen: where the text comes from, the guideline, the controls, and the text.

    Args:
        controls: the tags that people label with; they refer to the text by the name ``TEXT``.
        granularity: what a mark snaps to: "word" or "symbol" (nothing).
    """
    view = etree.Element("View")
    view.append(etree.Element("Header", value="$title", size="5"))
    view.append(guideline(description))
    view.extend(controls)
    view.append(etree.Element("Text", name=TEXT, value=f"${TEXT}", granularity=granularity))
    return to_xml(view)


def guideline(description: TaskDescription) -> Tag:
    """Return the guideline as lines to read: title, rules, what each label means, examples."""
    view = etree.Element("View", style=_GUIDELINE_STYLE)
    meanings = [_meaning(label) for label in description.labels if label.meaning or label.examples]
    lines = [*description.guideline.splitlines(), *meanings, *(f"Example: {example}" for example in description.examples)]
    if description.title:
        view.append(etree.Element("Header", value=literal(description.title), size="5"))
    shown = (literal(line) for line in lines if line.strip())
    view.extend(etree.Element("Header", value=line, size="6", style=_LINE_STYLE) for line in shown)
    return view


def choices(name: str, description: TaskDescription) -> Tag:
    """Return a choice among the labels, for the whole text."""
    several = {"choice": "multiple"} if description.multiple else {"choice": "single-radio", "required": "true"}
    tag = etree.Element("Choices", name=name, toName=TEXT, showInline="true", **several)
    for number, label in enumerate(description.labels):
        tag.append(etree.Element("Choice", **_attributes(label), color=color_of(label, number)))
    return tag


def marks(name: str, description: TaskDescription) -> Tag:
    """Return the labels with which stretches of the text are marked."""
    tag = etree.Element("Labels", name=name, toName=TEXT)
    for number, label in enumerate(description.labels):
        tag.append(etree.Element("Label", **_attributes(label), background=color_of(label, number)))
    return tag


def relations(names: tuple[str, ...]) -> Tag:
    """Return the names of relations between two marked stretches."""
    tag = etree.Element("Relations")
    tag.extend(etree.Element("Relation", value=name) for name in names)
    return tag


def to_xml(view: Tag) -> str:
    """Return the configuration as text."""
    return str(etree.tostring(view, encoding="unicode", pretty_print=True))


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
