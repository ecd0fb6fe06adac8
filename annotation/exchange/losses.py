"""The account of what a conversion could not carry."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


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
