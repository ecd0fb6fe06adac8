"""The record files that users bring: labelled pairs and evaluation questions, as strict JSONL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from doyen.core.conversations import pair_of_conversation
from doyen.core.errors import InputError, RecordError
from doyen.core.manifest import fingerprint
from doyen.core.text import is_blank, is_encodable, question_hash

REFUSAL = "The documents do not say."
"""What the assistant answers when the documents hold no answer, and what unanswerable training pairs teach."""

TEXT_MARK = "\n\nText:\n"
"""In the prompt of a labelling task, what stands between the instruction, which all its pairs share, and the text."""


def identifier(value: Any) -> Any:
    """Return a number that stands for a name as text, 7.0 like 7; anything else as it is."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(int(value)) if value == value // 1 else str(value)
    return value


def without_nulls(data: Any) -> Any:
    """Return an object without the keys whose value is null: null means absent."""
    return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data


def _filled(text: str) -> str:
    if is_blank(text):
        raise ValueError("it is empty" if not text else "it holds nothing but blanks")
    return text


Filled = Annotated[str, AfterValidator(_filled)]
Identifier = Annotated[Filled, BeforeValidator(identifier)]


class _Record(BaseModel):
    """What all records have in common: no unknown key, only text in Unicode, and a null means that the key is absent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, data: Any) -> Any:
        if not is_encodable(json.dumps(data, ensure_ascii=False, default=str)):
            raise ValueError("half of a surrogate pair (\\ud800 to \\udfff alone): the text was cut in UTF-16 units")
        return without_nulls(data)


class Turn(_Record):
    """One earlier message of a conversation."""

    role: Literal["user", "assistant"]
    content: str


class Pair(_Record):
    """A labelled prompt/response pair (one line of ``pairs.jsonl``), or a conversation under ``messages`` or ``conversations``.

    Attributes:
        source: document that the response rests on, relative to the ingested root; None when unanswerable.
        evidence: exact quotes of that document.
        group: pairs of one group are labels of the same item and never part in a split.
        history: earlier turns, oldest first, for a follow-up prompt.
    """

    id: Identifier
    prompt: Filled
    response: Filled
    source: str | None = None
    evidence: list[Filled] = []
    annotator: Annotated[str | None, BeforeValidator(identifier)] = None
    created_at: str | None = None
    group: Annotated[str | None, BeforeValidator(identifier)] = None
    history: list[Turn] = []

    @model_validator(mode="before")
    @classmethod
    def _from_conversation(cls, data: Any) -> Any:
        return pair_of_conversation(data)

    @property
    def answerable(self) -> bool:
        """Whether the response is an answer and not the refusal."""
        return self.response.strip() != REFUSAL


class Question(_Record):
    """A frozen evaluation question (one line of ``questions.jsonl``).

    Attributes:
        answers: acceptable reference answers, the first being the preferred one; ``answer`` may stand for one.
    """

    id: Identifier
    question: Filled
    answers: list[Filled] = Field(min_length=1)
    source: str | None = None
    evidence: list[Filled] = []
    answerable: bool = True
    tags: list[str] = []
    history: list[Turn] = []

    @property
    def asked_hash(self) -> str:
        """Hash of what the assistant is told: question and earlier turns. An edited reference is the same question."""
        return fingerprint({"question": self.question, "history": [turn.model_dump() for turn in self.history]})

    @property
    def repeat_hash(self) -> str:
        """Hash that repeats of a question share, whatever their case, blanks and marks around words."""
        return fingerprint([question_hash(self.question), *([turn.role, question_hash(turn.content)] for turn in self.history)])

    @model_validator(mode="before")
    @classmethod
    def _answer_or_answers(cls, data: Any) -> Any:
        data = without_nulls(data)
        if isinstance(data, dict) and "answer" in data:
            if "answers" in data:
                raise ValueError("give 'answer' or 'answers', not both")
            data = {**data, "answers": [data["answer"]]}
            del data["answer"]
        return data


Record = TypeVar("Record", Pair, Question)


def read_records(path: Path, kind: type[Record]) -> list[Record]:
    """Read a JSONL file of pairs or questions, all lines or none.

    Raises:
        InputError: the file does not exist, is not UTF-8 or has no record.
        RecordError: broken lines, each named with its number and what is wrong (the first ten).
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8") from error
    records: list[Record] = []
    problems: list[str] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
            record = kind.model_validate(value)
        except (json.JSONDecodeError, ValidationError) as error:
            problems.append(f"line {number}: {_reason(error)}")
            continue
        if record.id in seen and value.get("id") is None:
            # The same conversation again: ids that a file leaves out follow from the content.
            record = record.model_copy(update={"id": f"{record.id}-{number}"})
        if record.id in seen:
            problems.append(f"line {number}: id {record.id!r} was already used in line {seen[record.id]}")
        seen[record.id] = number
        records.append(record)
    if problems:
        shown = "\n".join(f"  - {problem}" for problem in problems[:10])
        more = f"\n  … and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise RecordError(f"{path}: {len(problems)} broken line(s), nothing was imported:\n{shown}{more}")
    if not records:
        raise InputError(f"{path} holds no records: expected one JSON object a line")
    return records


def _reason(error: json.JSONDecodeError | ValidationError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not valid JSON ({error.msg} at column {error.colno})"
    parts = []
    for item in error.errors():
        where = ".".join(str(part) for part in item["loc"]) or "record"
        parts.append(f"{where}: {item['msg'].removeprefix('Value error, ')}")
    return "; ".join(parts)
