"""Classes of a whole text: classification with one class or several, and sentiment."""

from __future__ import annotations

from typing import Any

from doyen.annotation.contracts import Proposal, Result
from doyen.annotation.descriptions import NOTHING, TaskDescription
from doyen.annotation.records import Classes
from doyen.annotation.types import screen
from doyen.annotation.types.matching import match_classes, match_sentiment
from doyen.annotation.types.regions import short
from doyen.core.manifest import short_id

FIELD = "class"


class ClassesKind:
    """Implements ``Kind`` for ``Classes``. One class is required unless the description allows several."""

    label_type = Classes

    def screen(self, description: TaskDescription) -> str:
        """Return the labelling configuration: the text and a choice of classes."""
        return screen.screen(description, [screen.choices(FIELD, description)])

    def read(self, result: Result, text: str, description: TaskDescription) -> tuple[Classes | None, list[str]]:
        """Return the classes in the order of the description."""
        chosen: list[Any] = []
        problems: list[str] = []
        for region in result:
            value = region.get("value") if isinstance(region, dict) else None
            found = value.get("choices") if isinstance(value, dict) else None
            if not isinstance(region, dict) or region.get("from_name") != FIELD:
                field = region.get("from_name") if isinstance(region, dict) else region
                problems.append(f"there is no field {short(field)} in this task type")
            elif not isinstance(found, list):
                problems.append(f"a choice holds no list of classes: {short(value)}")
            else:
                chosen += found
        unknown = [name for name in chosen if name not in description.label_names]
        known = ", ".join(description.label_names)
        problems += [f"there is no class {short(name)}: known ones are {known}" for name in unknown]
        label, mistakes = _choose([name for name in chosen if name not in unknown], description)
        nothing = mistakes or (problems and not label.labels)
        return (None if nothing else label), problems + ([] if unknown else mistakes)

    def write(self, label: Classes, text: str, uid: str) -> Result:
        """Return one region with all classes; none for no class."""
        if not label.labels:
            return []
        value = {"choices": list(label.labels)}
        return [
            {"id": short_id(uid, FIELD)[:10], "from_name": FIELD, "to_name": screen.TEXT, "type": "choices", "value": value}
        ]

    def instruction(self, description: TaskDescription) -> str:
        """Return what a model is asked to do."""
        if description.multiple:
            return f"Which of these classes apply to the text? Answer with their names, one a line, or with {NOTHING}."
        what = "feeling" if description.type == "sentiment" else "class"
        return f"Which {what} does the text have? Answer with one name only."

    def answer(self, label: Classes, text: str, description: TaskDescription) -> str:
        """Return the names, one a line."""
        return "\n".join(label.labels) or NOTHING

    def parse(self, answer: str, text: str, description: TaskDescription) -> tuple[Classes | None, list[str]]:
        """Read names, one a line; letter case and a final dot are forgiven."""
        names = {name.casefold(): name for name in description.label_names}
        problems, found = [], []
        for line in filter(None, map(str.strip, answer.split("\n"))):
            name = names.get(line.casefold()) or names.get(line.rstrip(".").casefold())
            if name is not None:
                found.append(name)
            elif line != NOTHING:
                problems.append(f"there is no class {short(line)}")
        label, mistakes = _choose(found, description)
        return (None if mistakes or (problems and not found) else label), problems + mistakes

    def row(self, label: Classes, text: str) -> dict[str, Any]:
        """Return text, label and all labels; ``label`` is None unless there is exactly one."""
        return {"text": text, "label": label.labels[0] if len(label.labels) == 1 else None, "labels": list(label.labels)}

    def propose(self, text: str, description: TaskDescription) -> Proposal | None:
        """Return what the words of the text suggest."""
        return match_sentiment(text, description) if description.type == "sentiment" else match_classes(text, description)


def _choose(names: list[str], description: TaskDescription) -> tuple[Classes, list[str]]:
    """Return the classes without repeats in the order of the description, and what is wrong with their number."""
    chosen = tuple(name for name in description.label_names if name in names)
    if description.multiple or len(chosen) == 1:
        return Classes(chosen), []
    problem = f"one class is wanted, found {', '.join(chosen)}" if chosen else "no class was chosen"
    return Classes(chosen), [problem]
