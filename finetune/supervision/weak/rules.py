"""Labelling functions without code: rules in a TOML file, each a keyword list, a pattern, a gazetteer, examples, or a file.

    [[rules]]
    name = "fee words"
    kind = "keyword"
    label = "fee"
    words = ["fee", "charged extra"]

Where labels are classes a rule votes on the whole text; where they are entities it marks what it finds.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from doyen.core.errors import InputError
from doyen.core.text import is_blank
from doyen.finetune.supervision.weak.functions import LabellingFunction, Marked, TextItem
from doyen.finetune.supervision.weak.gazetteer import Gazetteer, read_gazetteer
from doyen.finetune.supervision.weak.other_output import read_output

Embed: TypeAlias = Callable[[Sequence[str]], NDArray[np.float32]]
"""Returns (n, dim) vectors of unit length."""


def _filled(text: str) -> str:
    if is_blank(text):
        raise ValueError("it is empty")
    return text


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"it is no regular expression ({error})") from error
    return text


Filled = Annotated[str, AfterValidator(_filled)]
Pattern = Annotated[str, AfterValidator(_filled), AfterValidator(_pattern)]


class _Rule(BaseModel):
    """What all rules have.

    Attributes:
        applies: where a text may have several classes, whether the label applies to what the rule finds, or does not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Filled
    applies: bool = True


class KeywordRule(_Rule):
    """The label where the text holds one of the words or phrases.

    Attributes:
        unless: words or phrases that make it abstain.
        match_case: whether capitals count.
    """

    kind: Literal["keyword"]
    label: Filled
    words: tuple[Filled, ...] = Field(min_length=1)
    unless: tuple[Filled, ...] = ()
    match_case: bool = False


class RegexRule(_Rule):
    """The label where the pattern matches; of an entity the first group is marked, or the whole match.

    Attributes:
        unless: a pattern that makes it abstain.
        match_case: whether capitals count.
    """

    kind: Literal["regex"]
    label: Filled
    pattern: Pattern
    unless: Pattern | None = None
    match_case: bool = False


class GazetteerRule(_Rule):
    """Names from a table of a knowledge base: distant supervision.

    Attributes:
        file: CSV with a heading, relative to the rules.
        column: of the names; None: the first.
        label: of all names; or
        label_column: the column that holds each name's label.
        match_case: whether capitals count.
    """

    kind: Literal["gazetteer"]
    file: Filled
    column: str | None = None
    label: str | None = None
    label_column: str | None = None
    match_case: bool = False


class EmbeddingRule(_Rule):
    """The label where the text means nearly what one of the examples means.

    Attributes:
        at_least: cosine similarity to the nearest example.
        unlike: examples of other things; one that is nearer makes it abstain.
    """

    kind: Literal["embedding"]
    label: Filled
    like: tuple[Filled, ...] = Field(min_length=1)
    at_least: float = Field(0.6, ge=-1, le=1)
    unlike: tuple[Filled, ...] = ()


class OutputRule(_Rule):
    """What another model says of the texts, in a file.

    Attributes:
        file: JSON lines with "id" or "text", and "label" or "entities", relative to the rules.
        at_least: "score" below which it abstains; lines without a score count.
    """

    kind: Literal["output"]
    file: Filled
    at_least: float = Field(0.0, ge=0, le=1)


Rule = Annotated[KeywordRule | RegexRule | GazetteerRule | EmbeddingRule | OutputRule, Field(discriminator="kind")]


class RuleFile(BaseModel):
    """All rules of a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: tuple[Rule, ...] = ()


def load_rules(
    path: Path, labels: Collection[str], *, marks: bool, embed: Embed, several: bool = False
) -> list[LabellingFunction]:
    """Read a TOML file of rules as labelling functions.

    Args:
        labels: those that there are.
        marks: whether labels are entities.
        several: whether a text may have several classes: rules then say of each label whether it applies.
        embed: makes vectors of texts, for rules that compare meanings.

    Raises:
        InputError: the file or one that it names cannot be read, or is wrong; with all mistakes at once.
    """
    try:
        rules = RuleFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).rules
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): name a file of rules") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML ({error}): correct it") from error
    except ValidationError as error:
        listed = "\n".join(f"  - {_where(item['loc'])}: {item['msg'].removeprefix('Value error, ')}" for item in error.errors())
        raise InputError(f"{path} has {error.error_count()} mistake(s):\n{listed}") from error
    if not rules:
        raise InputError(f"{path} holds no rules: write each under [[rules]]")
    for rule in rules:
        label = getattr(rule, "label", None)
        if label is not None and label not in labels:
            raise InputError(f"{path}: rule {rule.name!r} gives {label!r}, which is none of the labels ({', '.join(labels)})")
        if not (rule.applies or several):
            raise InputError(f"{path}: rule {rule.name!r} says what does not apply: that is for several classes a text alone")
    functions = [_function(rule, path.parent, marks, several, embed) for rule in rules]
    if not several:
        return functions
    return [_each(function, rule, labels) for function, rule in zip(functions, rules, strict=True)]


def _each(function: LabellingFunction, rule: Any, labels: Collection[str]) -> LabellingFunction:
    """Return a function that says of labels whether they apply; another model's output says it of all of them."""

    def apply(item: TextItem) -> dict[str, bool] | None:
        said = function.apply(item)
        if said is None:
            return None
        found = {said} if isinstance(said, str) else set(said)
        if isinstance(rule, OutputRule):
            return {label: label in found for label in found.union(labels)}
        return dict.fromkeys(found, rule.applies)

    return replace(function, apply=apply)


def _where(location: tuple[int | str, ...]) -> str:
    """Return "rules.2.words" for a place in the file; rules count from 1, as people count."""
    parts = [str(part + 1) if isinstance(part, int) else part for part in location]
    return ".".join(part for number, part in enumerate(parts) if number != 2) or "file"


def _function(rule: Any, folder: Path, marks: bool, several: bool, embed: Embed) -> LabellingFunction:
    if isinstance(rule, EmbeddingRule):
        if marks:
            raise InputError(f"rule {rule.name!r} compares whole texts and cannot mark entities: use a pattern or a gazetteer")
        return _by_meaning(rule, embed)
    if isinstance(rule, OutputRule):
        return LabellingFunction(rule.name, read_output(folder / rule.file, rule.at_least, marks=marks), marks)
    if isinstance(rule, RegexRule):
        find = _by_pattern(rule)
    elif isinstance(rule, GazetteerRule):
        find = read_gazetteer(folder / rule.file, rule.column, rule.label, rule.label_column, match_case=rule.match_case).find
    else:
        find = _by_words(rule)
    if several:
        return LabellingFunction(rule.name, lambda item: {label for _, _, label in find(item.text)})
    return LabellingFunction(rule.name, (lambda item: find(item.text)) if marks else _vote(find), marks)


def _vote(find: Callable[[str], list[Marked]]) -> Callable[[TextItem], str | None]:
    """Return a function that votes for the one label that was found in a text, and abstains where several were."""

    def vote(item: TextItem) -> str | None:
        labels = {label for _, _, label in find(item.text)}
        return labels.pop() if len(labels) == 1 else None

    return vote


def _by_words(rule: KeywordRule) -> Callable[[str], list[Marked]]:
    wanted = Gazetteer(((words, rule.label) for words in rule.words), match_case=rule.match_case)
    against = Gazetteer(((words, rule.label) for words in rule.unless), match_case=rule.match_case)
    return lambda text: [] if against.find(text) else wanted.find(text)


def _by_pattern(rule: RegexRule) -> Callable[[str], list[Marked]]:
    flags = re.NOFLAG if rule.match_case else re.IGNORECASE
    pattern = re.compile(rule.pattern, flags)
    against = re.compile(rule.unless, flags) if rule.unless else None

    def find(text: str) -> list[Marked]:
        if against is not None and against.search(text):
            return []
        matches = pattern.finditer(text)
        places = [match.span(1) if pattern.groups and match[1] else match.span() for match in matches]
        return [(start, end, rule.label) for start, end in places if start < end]

    return find


def _by_meaning(rule: EmbeddingRule, embed: Embed) -> LabellingFunction:
    near: dict[str, bool] = {}

    def prepare(items: Sequence[TextItem]) -> None:
        texts = list(dict.fromkeys(item.text for item in items))
        vectors = embed([*texts, *rule.like, *rule.unlike])
        scores = vectors[: len(texts)] @ vectors[len(texts) :].T
        like = scores[:, : len(rule.like)].max(axis=1)
        unlike = scores[:, len(rule.like) :].max(axis=1, initial=-1.0)
        near.update(zip(texts, ((like >= rule.at_least) & (like > unlike)).tolist(), strict=True))

    return LabellingFunction(rule.name, lambda item: rule.label if near[item.text] else None, prepare=prepare)
