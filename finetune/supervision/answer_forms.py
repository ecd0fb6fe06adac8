"""The JSON form in which a model gives labels: its schema for each task type, and from JSON to the lines that the type reads.

    {"entities": [{"label": "PART", "words": "PN 410"}]}   ─▶   "PART: PN 410"   ─▶   TaskType.parse

A model that is held to the schema cannot name a label that is not there. Whether the text holds the words is checked by the
type's own reading.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from doyen.annotation import TaskDescription, TaskType
from doyen.annotation.types.answer_lines import escape
from doyen.annotation.types.descriptions import NOTHING, TypeName
from doyen.annotation.types.typed_labels import Label

MOST = 40
"""Marked stretches of one text: a small model that goes round in circles must end."""
MOST_TOKENS = 400
"""Tokens of a text that are tagged."""
_TEXT = {"type": "string", "minLength": 1}


def schema_of(description: TaskDescription) -> dict[str, Any]:
    """Return the JSON schema of a label of this description."""
    label = {"type": "string", "enum": list(description.label_names)}
    marked = _object(label=label, words=_TEXT)
    match description.type:
        case TypeName.CLASSIFICATION | TypeName.SENTIMENT if not description.multiple:
            return _object(label=label)
        case TypeName.CLASSIFICATION | TypeName.SENTIMENT:
            return _object(labels=_list(label, len(description.label_names)))
        case TypeName.ENTITIES if description.relations:
            number = {"type": "integer", "minimum": 1, "maximum": MOST}
            relation = {"type": "string", "enum": list(description.relations)}
            return _object(
                entities=_list(marked, MOST), relations=_list(_object(first=number, relation=relation, second=number), MOST)
            )
        case TypeName.ENTITIES:
            return _object(entities=_list(marked, MOST))
        case TypeName.COREFERENCE:
            return _object(things=_list(_list(marked, MOST), MOST))
        case TypeName.POS:
            return _object(tokens=_list(marked, MOST_TOKENS))
        case _:
            return _object(question=_TEXT, answer=_TEXT, evidence=_TEXT)


def ask_for(task_type: TaskType, text: str) -> str:
    """Return the prompt that asks for the label of a text in that form."""
    schema = json.dumps(schema_of(task_type.description), ensure_ascii=False)
    return f"{task_type.instruction(text)}\n\nWrite the answer as JSON instead of lines, and nothing else. Its schema: {schema}"


def read_form(answer: str, task_type: TaskType, text: str) -> tuple[Label | None, list[str]]:
    """Return what is sound of an answer in that form (None: nothing), and what is wrong with it."""
    values, problem = read_json(answer)
    if values is None:
        return None, [problem]
    try:
        lines = _lines(values, task_type.description)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        return None, [f"the answer is not of the form that was asked for ({error!r})"]
    return task_type.parse(lines, text)


def read_json(answer: str) -> tuple[dict[str, Any] | None, str]:
    """Return the object that an answer is, or holds among other words, and what is wrong where there is none."""
    start, end = answer.find("{"), answer.rfind("}")
    try:
        values = json.loads(answer[start : end + 1]) if 0 <= start < end else None
    except ValueError:
        values = None
    return (values, "") if isinstance(values, dict) else (None, "the answer is no JSON object")


def _lines(values: Mapping[str, Any], description: TaskDescription) -> str:
    """Return the values as the lines that the type reads."""
    match description.type:
        case TypeName.CLASSIFICATION | TypeName.SENTIMENT:
            names = values["labels"] if description.multiple else [values["label"]]
            return "\n".join(map(str, names)) or NOTHING
        case TypeName.ENTITIES:
            lines = [_line(each) for each in values["entities"]]
            if description.relations:
                lines = [f"{number} {line}" for number, line in enumerate(lines, start=1)]
                lines += [f"{each['first']} -{each['relation']}-> {each['second']}" for each in values.get("relations", ())]
            return "\n".join(lines) or NOTHING
        case TypeName.COREFERENCE:
            named = len(description.labels) > 1
            things = [
                " | ".join(_line(each) if named else escape(str(each["words"])) for each in one) for one in values["things"]
            ]
            return "\n".join(filter(None, things)) or NOTHING
        case TypeName.POS:
            return "\n".join(_line(each) for each in values["tokens"]) or NOTHING
        case _:
            fields = ("Question", "Answer", "Evidence")
            return "\n".join(f"{name}: {' '.join(str(values[name.lower()]).split())}" for name in fields)


def _line(marked: Mapping[str, Any]) -> str:
    return f"{marked['label']}: {escape(str(marked['words']))}"


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _list(items: dict[str, Any], most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "maxItems": most}
