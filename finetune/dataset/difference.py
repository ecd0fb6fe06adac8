"""What distinguishes two versions of a dataset: rows that came, went, changed or moved, and other rules."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from doyen.core.records import Pair
from doyen.finetune.dataset.stored import FROZEN, PARTS, Dataset

SHOWN = 10


@dataclass(frozen=True)
class Difference:
    """From one version to another.

    Attributes:
        added: ids of rows that only the second has.
        removed: ids of rows that only the first has.
        changed: ids of rows with other content, and the fields that differ.
        moved: ids of rows in another part, with both parts.
        rules: settings that differ, with both values.
        frozen: frozen questions that only one of them kept out: (only the first, only the second).
    """

    added: list[str]
    removed: list[str]
    changed: dict[str, list[str]]
    moved: dict[str, tuple[str, str]]
    rules: dict[str, tuple[Any, Any]]
    frozen: tuple[int, int]

    def as_json(self) -> dict[str, Any]:
        """Return the difference as plain lists and dictionaries."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return the difference in lines for people."""
        changed = [f"{name} ({', '.join(how)})" for name, how in self.changed.items()]
        moved = [f"{name} ({before} to {after})" for name, (before, after) in self.moved.items()]
        told = [
            f"{len(self.added)} rows added{_listed(self.added)}",
            f"{len(self.removed)} rows removed{_listed(self.removed)}",
            f"{len(self.changed)} rows changed{_listed(changed)}",
            f"{len(self.moved)} rows moved{_listed(moved)}",
        ]
        told += [f"{name}: {a} before, {b} now" for name, (a, b) in self.rules.items()]
        if any(self.frozen):
            told.append(f"frozen questions: {self.frozen[0]} no longer kept out, {self.frozen[1]} kept out since")
        return told


def compare_datasets(first: Dataset, second: Dataset) -> Difference:
    """Return what has become of the first version's rows and rules in the second."""
    before, after = _rows(first), _rows(second)
    both = before.keys() & after.keys()
    fields = {name: _changed(before[name][1], after[name][1]) for name in sorted(both)}
    hashes = [set(dataset.manifest.get(FROZEN, ())) for dataset in (first, second)]
    return Difference(
        added=sorted(after.keys() - before.keys()),
        removed=sorted(before.keys() - after.keys()),
        changed={name: found for name, found in fields.items() if found},
        moved={name: (before[name][0], after[name][0]) for name in sorted(both) if before[name][0] != after[name][0]},
        rules=_rules(first.manifest, second.manifest),
        frozen=(len(hashes[0] - hashes[1]), len(hashes[1] - hashes[0])),
    )


def _rows(dataset: Dataset) -> dict[str, tuple[str, Pair]]:
    return {pair.id: (part, pair) for part in PARTS for pair in getattr(dataset, part)}


def _changed(before: Pair, after: Pair) -> list[str]:
    return [name for name in Pair.model_fields if getattr(before, name) != getattr(after, name)]


def _rules(first: dict[str, Any], second: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    given = [
        {**manifest["settings"], **manifest["settings"].get("recipe", {}), "seed": manifest["seed"]}
        for manifest in (first, second)
    ]
    names = sorted((given[0].keys() | given[1].keys()) - {"recipe"})
    default = "the default"
    return {
        name: (given[0].get(name, default), given[1].get(name, default))
        for name in names
        if given[0].get(name) != given[1].get(name)
    }


def _listed(items: list[str]) -> str:
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return f": {', '.join(items[:SHOWN])}{more}" if items else ""
