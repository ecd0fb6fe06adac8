"""What the formats share: the protocol, and the account of what a conversion could not carry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from doyen.annotation.types.typed_labels import LabelledText

CLASS_KINDS = ("classification", "sentiment")
SPAN_KINDS = ("entities", "coreference", "pos")
KINDS = ("prompt-response", "classification", "entities", "sentiment", "coreference", "pos")
"""The task types, as everywhere."""


@dataclass
class Losses:
    """What a conversion could not carry, counted.

    Attributes:
        fields: dropped parts of records, by name.
        records: whole records that were left out, by reason.
    """

    fields: Counter[str] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)

    def drop(self, name: str, times: int = 1) -> None:
        """Count a part of a record that is not carried; ``times`` 0 counts nothing."""
        if times:
            self.fields[name] += times

    def skip(self, reason: str) -> None:
        """Count a record that is left out."""
        self.records[reason] += 1

    def sentences(self) -> list[str]:
        """Return one line for each kind of loss, records first; empty when everything was carried."""
        left_out = [f"{count} records left out: {reason}" for reason, count in sorted(self.records.items())]
        dropped = [f"{count} × {name} not carried" for name, count in sorted(self.fields.items())]
        return left_out + dropped

    def as_json(self) -> dict[str, Any]:
        """Return the counts as plain dictionaries."""
        return {"fields": dict(sorted(self.fields.items())), "records": dict(sorted(self.records.items()))}


class Format(Protocol):
    """A way to write labels into a file or folder, and to read them back. Both directions stream."""

    @property
    def name(self) -> str:
        """Its name in commands."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The task types that it can carry."""

    @property
    def writes(self) -> bool:
        """Whether it can be written, or only read."""

    def read(self, path: Path, kind: str, losses: Losses) -> Iterator[LabelledText]:
        """Yield the labels of a file, in its order; memory does not grow with the file.

        Labels come before the file's end is known to be sound: ``read_labels`` checks all of it first.

        Raises:
            InputError: the file does not exist or holds no label.
            RecordError: at the end, broken records: each named with its line (the first ten).
        """

    def write(self, labels: Iterable[LabelledText], path: Path, losses: Losses) -> None:
        """Write labels of one task type, whole or not at all; memory does not grow with their number.

        Raises:
            LabelError: a label contradicts its text or itself.
        """
