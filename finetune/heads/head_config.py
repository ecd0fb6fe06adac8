"""What a head decides, and how that is written beside its weights."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from doyen.annotation.types.descriptions import TaskDescription, TypeName
from doyen.annotation.types.tokenizer import OUTSIDE
from doyen.core.errors import IncompatibleError, InputError
from doyen.core.files import write_json_atomic

CONFIG, OUTPUT = "head.json", "head.safetensors"
"""The head's description, and the weights of its linear layer; the encoder's adapter lies beside them as a PEFT folder."""
FORMAT = 1
"""Of the folder: raised when what is written changes."""


class HeadType(StrEnum):
    """What is decided of a text."""

    CLASSIFICATION = "classification"
    MULTI_LABEL = "multi-label"
    ENTITIES = "entities"
    POS = "pos"

    @property
    def of_words(self) -> bool:
        """Whether each word has a tag; else the whole text has classes."""
        return self in {HeadType.ENTITIES, HeadType.POS}


@dataclass(frozen=True)
class Probe:
    """What a head said right after training, by which a loaded one is recognised.

    Attributes:
        logits: of each text, ``(options,)``; of words, the mean over them.
        base_logits: the same without the adapter: a head that says this is not working.
    """

    texts: tuple[str, ...]
    logits: tuple[tuple[float, ...], ...]
    base_logits: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class HeadConfig:
    """A head, apart from its weights.

    Attributes:
        type: what it decides.
        options: names of the outputs: classes, tags, or of entities "O" and "B-LABEL", "I-LABEL" for each label.
        base: the encoder's name in the settings.
        base_sha256: its weights; the head fits no others.
        max_tokens: window; a longer text is cut for its classes, and read in parts for its tags.
        temperature: logits are divided by it, so that probabilities are as often right as they say (Guo et al., 2017).
    """

    type: HeadType
    options: tuple[str, ...]
    base: str
    base_sha256: str
    max_tokens: int
    temperature: float = 1.0
    probe: Probe = field(default_factory=lambda: Probe((), (), ()))

    def write(self, folder: Path) -> None:
        """Write it beside the weights."""
        write_json_atomic(folder / CONFIG, {"format": FORMAT, **asdict(self)})


def read_config(folder: Path) -> HeadConfig:
    """Read what ``HeadConfig.write`` wrote.

    Raises:
        IncompatibleError: there is none, it is damaged, or another version of Doyen wrote it.
    """
    try:
        data: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if data.pop("format") != FORMAT:
            raise IncompatibleError(f"the head in {folder} was written by another version of Doyen: train it again")
        probe = {name: tuple(map(_frozen, values)) for name, values in data.pop("probe").items()}
        kind, options = HeadType(data.pop("type")), tuple(data.pop("options"))
        return HeadConfig(type=kind, options=options, probe=Probe(**probe), **data)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise IncompatibleError(f"the head in {folder} cannot be read ({type(error).__name__}): train it again") from error


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def head_type(description: TaskDescription) -> HeadType:
    """Return which head learns a task's labels.

    Raises:
        InputError: none does.
    """
    match description.type:
        case TypeName.CLASSIFICATION | TypeName.SENTIMENT:
            return HeadType.MULTI_LABEL if description.multiple else HeadType.CLASSIFICATION
        case TypeName.ENTITIES:
            return HeadType.ENTITIES
        case TypeName.POS:
            return HeadType.POS
    raise InputError(
        f"a head gives texts their classes or words their tags, and labels of type {description.type} are neither: "
        "train the generator on them with `doyen dataset build` and `doyen train`"
    )


def options_of(description: TaskDescription) -> tuple[str, ...]:
    """Return what the head of a task decides among."""
    names = description.label_names
    if head_type(description) != HeadType.ENTITIES:
        return names
    return (OUTSIDE, *(f"{part}-{name}" for name in names for part in "BI"))
