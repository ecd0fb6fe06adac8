"""Task descriptions: what a data lead writes in a small TOML file, and what the labelling screen is generated from."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from doyen.core.errors import InputError


class TypeName(StrEnum):
    """The task types. Databases and descriptions hold the values: add to them, never change one."""

    PROMPT_RESPONSE = "prompt-response"
    CLASSIFICATION = "classification"
    ENTITIES = "entities"
    SENTIMENT = "sentiment"
    COREFERENCE = "coreference"
    POS = "pos"


TYPE_NAMES = tuple(TypeName)
SENTIMENT = ("negative", "neutral", "positive")
"""The feelings from low to high."""


@dataclass(frozen=True)
class DescriptionRules:
    """What a description of a task type holds.

    Attributes:
        labels: it must have labels; False: it has none.
        multiple: it may allow several classes, or none.
        relations: it may name relations.
        scale: the labels from low to high where they have an order.
    """

    labels: bool = True
    multiple: bool = False
    relations: bool = False
    scale: tuple[str, ...] = ()


RULES: dict[str, DescriptionRules] = {
    TypeName.PROMPT_RESPONSE: DescriptionRules(labels=False),
    TypeName.CLASSIFICATION: DescriptionRules(multiple=True),
    TypeName.ENTITIES: DescriptionRules(relations=True),
    TypeName.SENTIMENT: DescriptionRules(scale=SENTIMENT),
    TypeName.COREFERENCE: DescriptionRules(),
    TypeName.POS: DescriptionRules(),
}
"""Task type → what its descriptions hold. What else there is to know of a type stands in ``annotation.type_table``."""
NOTHING = "(none)"
"""What stands for "no label at all" in the instruction form, and so is no label's name."""

_DEFAULTS = Path(__file__).with_name("defaults")
_COLOUR = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_HOTKEY = re.compile(r"(?:(?:ctrl|alt|shift)\+)*\S")

_UNFIT = re.compile(r"[\x00-\x1f\x7f$\ufffe\uffff]|: |^\s|\s$")
"""What a name cannot hold: the screen's XML forbids it, Label Studio reads it as a variable, or the instruction form
needs it to end a name."""


def _check_name(name: str) -> str:
    if not name or name == NOTHING or _UNFIT.search(name):
        raise ValueError(
            f"{name!r} cannot be a name: write one line without blanks at its ends, without '$' and ': ', and not {NOTHING!r}"
        )
    return name


_EXPECTED = {
    "tuple_type": 'expected a list: ["…", "…"], or tables in double brackets',
    "model_type": "expected a table in double brackets",
    "string_type": "expected a text in quotes",
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
}
"""What pydantic's errors mean in TOML."""

Name = Annotated[str, AfterValidator(_check_name)]


class DescriptionError(InputError):
    """A task description is wrong.

    Attributes:
        problems: one sentence for each mistake, all of them at once.
    """

    def __init__(self, where: str, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        listed = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"{where} has {len(problems)} mistake{'s' if len(problems) > 1 else ''}:\n{listed}")


class LabelDescription(BaseModel):
    """One label that annotators may give.

    Attributes:
        name: as it is stored, trained on and exported.
        meaning: when to give it, in a sentence; shown beside it.
        hotkey: the key that chooses it, such as "p" or "shift+p"; None leaves the choice to the screen.
        color: ``#rrggbb``; None takes one from our palette.
        examples: words or sentences that deserve the label; the drafting rules look for them in the texts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    meaning: str = ""
    hotkey: str | None = None
    color: str | None = None
    examples: tuple[str, ...] = ()

    @field_validator("hotkey")
    @classmethod
    def _check_hotkey(cls, hotkey: str | None) -> str | None:
        if hotkey is not None and not _HOTKEY.fullmatch(hotkey):
            raise ValueError(f"{hotkey!r} is no hot key: write one character, with ctrl+, alt+ or shift+ before it if needed")
        return hotkey

    @field_validator("color")
    @classmethod
    def _check_color(cls, color: str | None) -> str | None:
        if color is not None and not _COLOUR.fullmatch(color):
            raise ValueError(f"{color!r} is no colour: write it as #rrggbb")
        return color


class TaskDescription(BaseModel):
    """What annotators are asked to do. Keys that are left out come from the type's default description.

    Attributes:
        title: shown above every text.
        guideline: the rules of labelling, shown to annotators line by line.
        labels: in the order in which they are shown.
        multiple: whether a text may have several classes, or none, where the type allows it (``RULES``).
        relations: names of relations between two marked stretches, where the type allows them.
        examples: labelled examples in words, shown after the guideline.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: TypeName
    title: str = ""
    guideline: str = ""
    labels: tuple[LabelDescription, ...] = ()
    multiple: bool = False
    relations: tuple[Name, ...] = ()
    examples: tuple[str, ...] = ()

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of its labels, in order."""
        return tuple(label.name for label in self.labels)

    @property
    def scale(self) -> tuple[str, ...]:
        """The labels from low to high where they have an order, as those of sentiment have; else empty."""
        scale = RULES[self.type].scale
        return scale if set(self.label_names) <= set(scale) else ()

    @model_validator(mode="before")
    @classmethod
    def _fill_in_defaults(cls, data: Any) -> Any:
        return _with_defaults(data) if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _check_whole(self) -> TaskDescription:
        if problems := list(_conflicts(self.model_dump())):
            raise ValueError("; ".join(problems))
        return self


def read_description(path: Path) -> TaskDescription:
    """Read a description from a TOML file.

    Raises:
        InputError: the file cannot be read.
        DescriptionError: it is not TOML, or has mistakes: all of them at once, with their place.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check the path") from error
    except UnicodeDecodeError as error:
        raise DescriptionError(str(path), [f"it is not UTF-8 (byte {error.start}): save it as UTF-8"]) from error
    except tomllib.TOMLDecodeError as error:
        raise DescriptionError(str(path), [f"it is not valid TOML: {error}"]) from error
    return parse_description(raw, str(path))


def parse_description(raw: dict[str, Any], where: str) -> TaskDescription:
    """Check a description that was read from ``where``.

    Raises:
        DescriptionError: with all mistakes at once.
    """
    try:
        return TaskDescription.model_validate(raw)
    except ValidationError as error:
        own = [_problem(item) for item in error.errors() if item["loc"]]
        raise DescriptionError(where, own + list(_conflicts(_with_defaults(raw)))) from error


def has_default(type_name: str) -> bool:
    """Whether a task type has a description without a file."""
    return bool(_default(type_name))


def default_description(type_name: str) -> TaskDescription:
    """Return the description that a task type has without a file.

    Raises:
        DescriptionError: the type has labels of its own in every domain, so that there is no default.
    """
    return parse_description({"type": type_name}, f"the {type_name} task without a description (--description FILE.toml)")


def _with_defaults(raw: dict[str, Any]) -> dict[str, Any]:
    return {**_default(raw["type"]), **raw} if raw.get("type") in TYPE_NAMES else raw


@cache
def _default(type_name: str) -> dict[str, Any]:
    path = _DEFAULTS / f"{type_name}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _conflicts(raw: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a description as a whole; parts of it may be wrong by themselves, too."""
    kind, given, relations = raw.get("type"), raw.get("labels"), _texts(raw.get("relations"))
    labels = [label for label in given if isinstance(label, dict)] if isinstance(given, list | tuple) else []
    rules = RULES.get(str(kind))
    if rules and rules.labels and not given:
        yield f"labels: there are none: describe at least one label of the {kind} task in a [[labels]] table"
    if rules and not rules.labels and given:
        yield f"labels: a {kind} task has none: leave [[labels]] out"
    if raw.get("multiple") is True and not (rules and rules.multiple):
        yield f"multiple: a {kind} task cannot have it, only {_types_with('multiple')} can"
    if relations and not (rules and rules.relations):
        yield f"relations: a {kind} task cannot have them, only {_types_with('relations')} can"
    hotkeys = [hotkey.lower() for hotkey in _texts([label.get("hotkey") for label in labels])]
    names = _texts([label.get("name") for label in labels])
    for field, what, values in (
        ("labels", "the name", names),
        ("labels", "the hot key", hotkeys),
        ("relations", "the relation", relations),
    ):
        for value, count in Counter(values).items():
            if count > 1:
                yield f"{field}: {what} {value!r} is used {count} times: make each one different"


def _types_with(key: str) -> str:
    return " and ".join(name for name, rules in RULES.items() if getattr(rules, key))


def _texts(values: Any) -> list[str]:
    """Return the texts in what should be a list of them."""
    return [value for value in values if value and isinstance(value, str)] if isinstance(values, list | tuple) else []


def _problem(item: Any) -> str:
    """Return one of pydantic's errors as place, cause and remedy."""
    place = ".".join(str(part + 1) if isinstance(part, int) else str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        known = LabelDescription.model_fields if len(item["loc"]) > 1 else TaskDescription.model_fields
        return f"{place}: there is no such key: known ones are {', '.join(known)}"
    if item["type"] == "missing":
        return f"{place}: it is missing"
    if item["type"] == "enum":
        return f"{place}: there is no task type {item['input']!r}: known ones are {', '.join(TYPE_NAMES)}"
    expected = _EXPECTED.get(item["type"], item["msg"].removeprefix("Value error, "))
    return f"{place}: {expected}"
