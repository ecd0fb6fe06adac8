"""The labelling screen of a project that was not made here: what it labels, under which names, and those names as ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lxml import etree

from doyen.annotation.exchange.columns import CLASS_KINDS, PROMPTS, RESPONSES
from doyen.annotation.labelstudio.regions import CLASS, MARKS, PASSAGE, TEXT, Result
from doyen.annotation.type_table import label_type
from doyen.annotation.types.descriptions import RULES, LabelDescription, TaskDescription
from doyen.annotation.types.typed_labels import PromptResponse
from doyen.core.errors import InputError

CONTROLS = ("Choices", "Labels", "TextArea", "Rating", "Taxonomy", "Number", "DateTime", "Ranker", "Pairwise")
ADOPTED_UID = "doyen_uid"
"""Key of our id in the tasks of a project that was not made here: ``uid`` may be its owner's."""


@dataclass(frozen=True)
class ForeignScreen:
    """What is labelled on a screen, and how its fields are called here.

    Attributes:
        text_key: key of a task's data that holds the text.
        text_name: name of the text on the screen.
        fields: their name of each field that is read → ours.
        answers_text: the text is the question, and the one field its answer.
        others: fields that are left alone.
    """

    kind: str
    text_key: str
    text_name: str
    fields: Mapping[str, str]
    answers_text: bool = False
    others: tuple[str, ...] = ()

    def inward(self, result: Result, data: Mapping[str, Any]) -> Result:
        """Return a result under our names; what other fields say is left out."""
        ours: Result = []
        for region in result:
            if not isinstance(region, dict) or region.get("type") == "relation":
                ours.append(region)
            elif (name := self.fields.get(str(region.get("from_name")))) is not None:
                ours.append(
                    {**region, "from_name": name, "to_name": PASSAGE if label_type(self.kind) is PromptResponse else TEXT}
                )
        if self.answers_text and ours:
            asked = {"text": [str(data.get(self.text_key) or "")]}
            ours.insert(0, {"id": "prompt", "from_name": "prompt", "to_name": PASSAGE, "type": "textarea", "value": asked})
        return ours

    def outward(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Return a task of ours under their names, its drafts too."""
        data = task["data"]
        text = data["prompt"] if self.answers_text else data["text"]
        drafts = [self.draft(draft) for draft in task.get("predictions") or []]
        return {**task, "data": {**data, self.text_key: text, ADOPTED_UID: data["uid"]}, "predictions": drafts}

    def draft(self, prediction: Mapping[str, Any]) -> dict[str, Any]:
        """Return a prediction under their names."""
        theirs = {ours: name for name, ours in self.fields.items()}
        result = []
        for region in prediction["result"]:
            if region.get("type") == "relation":
                result.append(region)
            elif region.get("from_name") in theirs:
                result.append({**region, "from_name": theirs[region["from_name"]], "to_name": self.text_name})
        return {**prediction, "result": result}


def read_screen(kind: str, config: str) -> tuple[ForeignScreen, TaskDescription]:
    """Return what a labelling configuration labels as a task of that type, and the description that follows from it.

    Raises:
        InputError: the configuration does not fit the type; with the reason.
        DescriptionError: one of its labels cannot be a name here.
    """
    root = _parse(config)
    texts = {tag.get("name"): tag for tag in root.iter("Text")}
    controls = [tag for tag in root.iter(*CONTROLS) if tag.get("toName") in texts and tag.get("perRegion") != "true"]
    chosen, fields, answers_text = _fields(kind, controls)
    shown = {tag.get("toName") for tag in chosen}
    if len(shown) != 1:
        raise _unfit(kind, f"its fields label several texts: {', '.join(sorted(map(str, shown)))}")
    text = texts[shown.pop()]
    key = str(text.get("value") or "")
    if not key.startswith("$") or text.get("valueType") == "url":
        raise _unfit(kind, f"the text {text.get('name')!r} does not stand in the tasks themselves, but in {key!r}")
    left = tuple(str(tag.get("name")) for tag in root.iter(*CONTROLS) if tag.get("name") not in fields)
    screen = ForeignScreen(kind, key[1:], str(text.get("name")), fields, answers_text, left)
    return screen, _description(kind, root, chosen)


def _fields(kind: str, controls: list[Any]) -> tuple[list[Any], dict[str, str], bool]:
    """Return the controls that a type needs, their names → ours, and whether the text itself is the question."""
    if label_type(kind) is PromptResponse:
        return _text_fields(kind, [tag for tag in controls if tag.tag == "TextArea"])
    wanted, ours = ("Choices", CLASS) if kind in CLASS_KINDS else ("Labels", MARKS)
    found = [tag for tag in controls if tag.tag == wanted]
    if len(found) != 1:
        named = ", ".join(repr(tag.get("name")) for tag in found)
        raise _unfit(kind, f"it needs exactly one <{wanted}> for a <Text>, and has {named or 'none'}")
    if wanted == "Choices" and not RULES[kind].multiple and found[0].get("choice") == "multiple":
        raise _unfit(kind, "a text has one feeling, but several can be chosen: adopt it as classification")
    return found, {str(found[0].get("name")): ours}, False


def _text_fields(kind: str, areas: list[Any]) -> tuple[list[Any], dict[str, str], bool]:
    named = {str(tag.get("name")): tag for tag in areas}
    prompt = next((name for name in PROMPTS if name in named), None)
    response = next((name for name in RESPONSES if name in named), None)
    if len(areas) == 1:
        return areas, {next(iter(named)): "response"}, True
    if prompt is None or response is None:
        known = ", ".join(map(repr, named)) or "none"
        raise _unfit(
            kind,
            f"it needs one <TextArea> for the answer, or one for question and answer each; it has {known}",
        )
    return [named[prompt], named[response]], {prompt: "prompt", response: "response"}, False


def _description(kind: str, root: Any, chosen: list[Any]) -> TaskDescription:
    if not RULES[kind].labels:
        return TaskDescription(type=kind)
    tag = {"Choices": "Choice", "Labels": "Label"}[chosen[0].tag]
    names = list(dict.fromkeys(_value(child) for child in chosen[0].iter(tag)))
    if not all(names) or not names:
        raise _unfit(kind, f"the labels of {chosen[0].get('name')!r} do not stand in the configuration")
    relations = [_value(child) for child in root.iter("Relation")] if RULES[kind].relations else []
    return TaskDescription(
        type=kind,
        labels=tuple(LabelDescription(name=name) for name in names),
        multiple=RULES[kind].multiple and chosen[0].get("choice") == "multiple",
        relations=tuple(dict.fromkeys(filter(None, relations))),
    )


def _value(tag: Any) -> str:
    return str(tag.get("alias") or tag.get("value") or "")


def _parse(config: str) -> Any:
    try:
        return etree.fromstring(config.encode("utf-8"), etree.XMLParser(resolve_entities=False))
    except etree.XMLSyntaxError as error:
        raise InputError(f"the project's labelling configuration is no valid XML ({error.msg})") from error


def _unfit(kind: str, reason: str) -> InputError:
    return InputError(f"the project's labelling configuration does not fit the task type {kind}: {reason}")
