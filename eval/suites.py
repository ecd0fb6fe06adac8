"""Suites: a few rows of a domain, described by a TOML file, that show how well a model or a head knows it.

medicine.toml   task = "choice"      one of several options, as multiple choice, yes/no/maybe, or a sentiment
law.toml        task = "questions"   cited answers from documents, and questions that these do not answer
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from doyen.annotation.types.typed_labels import Classes
from doyen.core.errors import InputError, RecordError
from doyen.core.records import Filled, Identifier
from doyen.core.statistics import mean_interval
from doyen.core.writing_models import FormModel
from doyen.eval.head_scores import Sampling, count_labels
from doyen.eval.pooled_statistics import macro_f1, pooled_interval

ANSWER_TOKENS = 48
LETTERS = "ABCDEFGHIJKLMNOP"
Options = Annotated[tuple[Filled, ...], Field(min_length=2, max_length=len(LETTERS))]
T = TypeVar("T")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChoiceSuite(_Part):
    """Rows that are answered with one of several options.

    Attributes:
        rows: JSONL file beside the suite's.
        instruction: what the model is asked to do.
        options: those of all rows that bring none; their macro-F1 is reported.
    """

    task: Literal["choice"]
    name: Filled
    rows: Filled
    instruction: Filled
    options: Options | None = None


class QuestionSuite(_Part):
    """Questions that are answered from documents, with citations, or refused.

    Attributes:
        rows: questions.jsonl beside the suite's file.
        documents: files and folders beside it, which have to be ingested.
        modes: None takes all that can answer.
    """

    task: Literal["questions"]
    name: Filled
    rows: Filled
    documents: tuple[Filled, ...] = ()
    modes: tuple[Filled, ...] | None = None


Suite = ChoiceSuite | QuestionSuite
_SUITE: TypeAdapter[Suite] = TypeAdapter(Annotated[Suite, Field(discriminator="task")])


class ChoiceRow(_Part):
    """A text and which option is right.

    Attributes:
        context: what the answer can be found in; empty where the model has to know.
        tags: figures are given for each.
    """

    id: Identifier
    text: Filled
    answer: Filled
    options: Options
    context: str = ""
    tags: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _answer_is_an_option(self) -> ChoiceRow:
        if self.answer not in self.options:
            raise ValueError(f"the answer {self.answer!r} is none of the options")
        return self


class Chooser(Protocol):
    """Answers rows of a suite."""

    @property
    def name(self) -> str:
        """Of the model or head."""

    def choose(self, suite: ChoiceSuite, row: ChoiceRow) -> str | None:
        """Return an option; None for an answer that is none of them."""


def read_suite(path: Path) -> Suite:
    """Read a suite's TOML file.

    Raises:
        InputError: it cannot be read, or has mistakes; all are named.
    """
    try:
        return _SUITE.validate_python(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except ValidationError as error:
        raise InputError(f"{path} is no suite: {_problems(error)}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path} cannot be read as TOML ({error})") from error


def read_choices(suite: ChoiceSuite, path: Path) -> list[ChoiceRow]:
    """Read the rows of a suite, all or none.

    Args:
        path: of the suite's file.

    Raises:
        InputError: there is no such file, or no row.
        RecordError: rows are broken; all are named.
    """
    file = path.parent / suite.rows
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read ({error}): {path} names it as its rows") from error
    rows: dict[str, ChoiceRow] = {}
    problems = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = ChoiceRow.model_validate({"options": suite.options, **json.loads(line)})
            if row.id in rows:
                problems.append(f"line {number}: id {row.id!r} was used before")
            rows[row.id] = row
        except (json.JSONDecodeError, TypeError, ValidationError) as error:
            problems.append(f"line {number}: {_problems(error) if isinstance(error, ValidationError) else error}")
    if problems:
        raise RecordError(f"{file}: {'; '.join(problems)}")
    if not rows:
        raise InputError(f"{file} holds no rows")
    return list(rows.values())


def _problems(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, each['loc']))}: {each['msg'].removeprefix('Value error, ')}" for each in error.errors()
    )


@dataclass(frozen=True)
class ModelChooser:
    """Implements ``Chooser`` with a generator, which is held to the options where its engine can."""

    model: FormModel

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    def choose(self, suite: ChoiceSuite, row: ChoiceRow) -> str | None:
        """Ask for an option by its name; by its letter where the row brings options of its own."""
        lettered = row.options != suite.options and any(" " in option for option in row.options)
        names = dict(zip(LETTERS, row.options, strict=False)) if lettered else {option: option for option in row.options}
        form = {
            "type": "object",
            "properties": {"answer": {"type": "string", "enum": list(names)}},
            "required": ["answer"],
            "additionalProperties": False,
        }
        shown = "\n".join(f"{name}: {option}" if lettered else f"- {option}" for name, option in names.items())
        parts = [suite.instruction, row.context and f"Text:\n{row.context}", f"{row.text}\n{shown}", _HOW]
        prompt = "\n\n".join(part for part in parts if part)
        written = self.model.fill(prompt, form, max_tokens=ANSWER_TOKENS, temperature=0.0, seed=0)
        return _chosen(written.text, names)


_HOW = 'Answer with JSON alone: {"answer": "…"}, with one of the options above.'


def _chosen(text: str, names: Mapping[str, str]) -> str | None:
    try:
        said = json.loads(text)["answer"]
    except (json.JSONDecodeError, KeyError, TypeError):
        said = text
    wanted = str(said).strip().casefold()
    known = {name.casefold(): option for name, option in names.items()} | {each.casefold(): each for each in names.values()}
    return known.get(wanted)


@dataclass(frozen=True)
class ChoiceReport:
    """How a suite was answered.

    Attributes:
        answered_by: the model or head.
        n: rows that were asked.
        unreadable: answers that were none of the options; they count as wrong.
        left_out: ids of rows whose texts the head was trained on.
        accuracy: with its 95% interval.
        macro_f1: over the options; None where rows have options of their own.
        tags: accuracy, and macro-F1 where all rows of the tag have the same options.
        answers: id, right answer and given one.
    """

    suite: str
    answered_by: str
    n: int
    unreadable: int
    left_out: list[str]
    accuracy: dict[str, Any]
    macro_f1: dict[str, Any] | None
    tags: dict[str, dict[str, Any]]
    answers: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    def as_text(self) -> str:
        """Return it for people."""
        lines = [f"{self.suite}, answered by {self.answered_by}: {self.n} rows, {self.unreadable} answers unreadable."]
        lines += [_line("all", {"accuracy": self.accuracy, "macro_f1": self.macro_f1})]
        lines += [_line(tag, figures) for tag, figures in self.tags.items()]
        lines += [f"Left out, as the head was trained on them: {', '.join(self.left_out)}"] if self.left_out else []
        return "\n".join(lines)


def _line(name: str, figures: Mapping[str, Any]) -> str:
    shown = []
    for metric in ("accuracy", "macro_f1"):
        if found := figures.get(metric):
            ends = "" if found["low"] is None else f" ({found['low']:.3f} to {found['high']:.3f})"
            shown.append(f"{metric} {found['mean']:.3f}{ends}")
    return f"  {name:<18} {', '.join(shown)}"


def run_choices(
    suite: ChoiceSuite, rows: Sequence[ChoiceRow], chooser: Chooser, sampling: Sampling, left_out: Sequence[str] = ()
) -> ChoiceReport:
    """Have all rows answered and score them.

    Raises:
        InputError: there is no row to ask.
    """
    if not rows:
        raise InputError(f"no row of suite {suite.name!r} is left to ask: the head was trained on all of them")
    said = [chooser.choose(suite, row) for row in rows]
    whole = _figures(rows, said, sampling)
    tags = sorted({tag for row in rows for tag in row.tags})
    own = {tag: [number for number, row in enumerate(rows) if tag in row.tags] for tag in tags}
    by_tag = {tag: _figures([rows[n] for n in numbers], [said[n] for n in numbers], sampling) for tag, numbers in own.items()}
    answers = [{"id": row.id, "answer": row.answer, "given": given} for row, given in zip(rows, said, strict=True)]
    unreadable = sum(given is None for given in said)
    return ChoiceReport(suite.name, chooser.name, len(rows), unreadable, list(left_out), **whole, tags=by_tag, answers=answers)


def _figures(rows: Sequence[ChoiceRow], said: Sequence[str | None], sampling: Sampling) -> dict[str, Any]:
    right = np.array([given == row.answer for row, given in zip(rows, said, strict=True)], np.float64)
    drawn: dict[str, Any] = {"samples": sampling.samples, "seed": sampling.seed}
    accuracy = mean_interval(right, rate=True, **drawn)
    if len({row.options for row in rows}) > 1:
        return {"accuracy": asdict(accuracy), "macro_f1": None}
    given = [Classes((option,) if option is not None else ()) for option in said]
    counts, _ = count_labels(given, [Classes((row.answer,)) for row in rows])
    return {"accuracy": asdict(accuracy), "macro_f1": asdict(pooled_interval(counts, macro_f1, **drawn))}
