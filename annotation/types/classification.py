"""Classes of a whole text: one, or several."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from doyen.annotation.types.descriptions import NOTHING, TaskDescription
from doyen.annotation.types.matching import match_classes as propose
from doyen.annotation.types.typed_labels import Classes, short

__all__ = ["answer", "choose", "instruction", "parse", "propose", "row"]


def choose(names: Collection[str], description: TaskDescription) -> tuple[Classes, list[str]]:
    """Return the classes without repeats in the order of the description, and what is wrong with their number."""
    chosen = tuple(name for name in description.label_names if name in names)
    if description.multiple or len(chosen) == 1:
        return Classes(chosen), []
    problem = f"one class is wanted, found {', '.join(chosen)}" if chosen else "no class was chosen"
    return Classes(chosen), [problem]


def instruction(description: TaskDescription) -> str:
    """Return what a model is asked to do."""
    if description.multiple:
        return f"Which of these classes apply to the text? Answer with their names, one a line, or with {NOTHING}."
    return "Which class does the text have? Answer with one name only."


def answer(label: Classes, text: str, description: TaskDescription) -> str:
    """Return the names, one a line."""
    return "\n".join(label.labels) or NOTHING


def parse(answer: str, text: str, description: TaskDescription) -> tuple[Classes | None, list[str]]:
    """Read names, one a line; letter case and a final dot are forgiven."""
    names = {name.casefold(): name for name in description.label_names}
    problems, found = [], []
    for line in filter(None, map(str.strip, answer.split("\n"))):
        name = names.get(line.casefold()) or names.get(line.rstrip(".").casefold())
        if name is not None:
            found.append(name)
        elif line != NOTHING:
            problems.append(f"there is no class {short(line)}")
    label, mistakes = choose(found, description)
    return (None if mistakes or (problems and not found) else label), problems + mistakes


def row(label: Classes, text: str) -> dict[str, Any]:
    """Return text, label and all labels; ``label`` is None unless there is exactly one."""
    return {"text": text, "label": label.labels[0] if len(label.labels) == 1 else None, "labels": list(label.labels)}
