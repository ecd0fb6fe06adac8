"""Evaluation questions registered in a workspace: no dataset that is built there holds one of them.

A set is a file named by its content. Registering adds sets and never changes one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from doyen.core.errors import InputError
from doyen.core.files import write_text_atomic
from doyen.core.manifest import canonical_json, fingerprint
from doyen.core.records import Question, read_records
from doyen.core.workspace import Workspace


@dataclass(frozen=True)
class QuestionSet:
    """A registered set.

    Attributes:
        name: what it was registered as.
        path: its file, ``NAME-HASH.jsonl``.
    """

    name: str
    path: Path
    questions: list[Question]


def register_questions(workspace: Workspace, questions: Sequence[Question], name: str) -> QuestionSet:
    """Freeze questions: every dataset that is built from now on leaves them out. Repeating it changes nothing.

    Raises:
        InputError: there is no question, or the name cannot name a file.
    """
    if not questions:
        raise InputError("there are no questions to register")
    if not name or name.startswith(".") or not all(character.isalnum() or character in "-_." for character in name):
        raise InputError(f"{name!r} cannot be a set's name: use letters, digits, '-', '_' and '.'")
    digest = fingerprint([question.model_dump() for question in questions])[:12]
    path = workspace.questions_folder / f"{name}-{digest}.jsonl"
    if not path.is_file():
        lines = [canonical_json(question.model_dump(exclude_none=True)) + "\n" for question in questions]
        write_text_atomic(path, "".join(lines))
    return QuestionSet(name, path, list(questions))


def question_sets(workspace: Workspace) -> list[QuestionSet]:
    """Return all registered sets, in the order of their names."""
    paths = sorted(workspace.questions_folder.glob("*.jsonl"))
    return [QuestionSet(path.stem.rpartition("-")[0], path, read_records(path, Question)) for path in paths]


def frozen_questions(workspace: Workspace, given: Sequence[Question] = ()) -> list[Question]:
    """Return the given questions and all registered ones that are not among them."""
    known = {question.asked_hash for question in given}
    found = list(given)
    for each in question_sets(workspace):
        for question in each.questions:
            if question.asked_hash not in known:
                known.add(question.asked_hash)
                found.append(question)
    return found
