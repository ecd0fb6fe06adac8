"""Other tools' formats: one module each, streaming in both directions, with an account of what they cannot carry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from doyen.annotation.exchange.conll import ConllFormat
from doyen.annotation.exchange.conllu import ConlluFormat
from doyen.annotation.exchange.doccano_jsonl import DoccanoFormat
from doyen.annotation.exchange.huggingface import HuggingFaceFormat
from doyen.annotation.exchange.label_format import KINDS, Format, Losses
from doyen.annotation.exchange.label_studio_json import LabelStudioFormat, LabelStudioMinFormat
from doyen.annotation.exchange.labelbox import LabelboxFormat
from doyen.annotation.exchange.sagemaker import SageMakerFormat
from doyen.annotation.exchange.spacy import SpacyFormat
from doyen.annotation.exchange.spreadsheet import CsvFormat
from doyen.annotation.types.typed_labels import LabelledText
from doyen.core.errors import InputError, NotFoundError

FORMATS: dict[str, Format] = {
    made.name: made
    for made in (
        LabelStudioFormat(),
        LabelStudioMinFormat(),
        DoccanoFormat(),
        LabelboxFormat(),
        ConllFormat(),
        ConlluFormat(),
        SpacyFormat(),
        HuggingFaceFormat(),
        CsvFormat(),
        SageMakerFormat(),
    )
}


def get_format(name: str, kind: str, *, to_write: bool = False) -> Format:
    """Return the format of that name, which can carry labels of that task type.

    Raises:
        NotFoundError: there is no such format or task type.
        InputError: the format cannot carry the type, or cannot be written.
    """
    if name not in FORMATS:
        raise NotFoundError(f"there is no format {name!r}: known ones are {', '.join(sorted(FORMATS))}")
    if kind not in KINDS:
        raise NotFoundError(f"there is no task type {kind!r}: known ones are {', '.join(KINDS)}")
    found = FORMATS[name]
    able = sorted(other.name for other in FORMATS.values() if kind in other.kinds and (other.writes or not to_write))
    if kind not in found.kinds:
        raise InputError(f"{name} cannot carry labels of type {kind}: use {', '.join(able)}")
    if to_write and not found.writes:
        raise InputError(f"labels cannot be written as {name}, which is a format to import from: use {', '.join(able)}")
    return found


def read_labels(path: Path, name: str, kind: str, losses: Losses) -> Iterator[LabelledText]:
    """Yield the labels of a file, after a first reading that makes sure that every record of it is sound.

    Raises:
        NotFoundError, InputError: as ``get_format``; or there is no such file, or no label in it.
        RecordError: broken records, each named with its line (the first ten); then no label is yielded.
    """
    found = get_format(name, kind)
    for _ in found.read(path, kind, Losses()):
        pass
    yield from found.read(path, kind, losses)


__all__ = ["FORMATS", "KINDS", "Format", "Losses", "get_format", "read_labels"]
