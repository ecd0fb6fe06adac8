"""Labels that a changed labelling configuration would orphan: Label Studio takes such a change without a word."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from lxml import etree

from doyen.annotation.labelstudio.regions import Result
from doyen.core.errors import StateError

SHOWN_TASKS = 10
_VALUE_TAGS = ("Label", "Choice", "Relation")


class OrphanedLabels(StateError):
    """A new configuration lacks what labels use, or what somebody added to the screen where people label.

    Attributes:
        orphans: what would be orphaned, the most used first.
    """

    def __init__(self, project: str, orphans: Sequence[Orphan]) -> None:
        self.orphans = list(orphans)
        listed = "\n".join(f"  - {orphan}" for orphan in orphans)
        super().__init__(
            f"the description of project {project!r} drops what labels use:\n{listed}\n"
            "keep these in the description (add what came to the screen over there, with --description FILE), take out over "
            "there what nobody has used, or make a project of another name with this description"
        )


@dataclass(frozen=True)
class Orphan:
    """A label value, or a whole field, that labels use and a configuration lacks.

    Attributes:
        value: None where the field itself is missing.
        count: regions that use it; 0 for what was added on the server and has not been used yet.
        tasks: uids of tasks that use it, at most ten.
    """

    field: str
    value: str | None
    count: int
    tasks: tuple[str, ...]

    def __str__(self) -> str:
        what = f"field {self.field!r}" if self.value is None else f"{self.value!r} of {self.field!r}"
        if not self.count:
            return f"{what}: added where people label, not used yet"
        return f"{what}: used {self.count} times, in tasks {', '.join(self.tasks)}"


def find_orphans(results: Iterable[tuple[str, Result]], config: str, before: Sequence[str]) -> list[Orphan]:
    """Return what results use and the configuration lacks, the most used first.

    Args:
        results: (task, result) of each label.
        before: the configurations under which they were made.
    """
    known = config_values(config)
    narrowed = {field for field in _single_choices(config) if not all(field in _single_choices(each) for each in before)}
    counts: dict[tuple[str, str | None], int] = defaultdict(int)
    tasks: dict[tuple[str, str | None], dict[str, None]] = defaultdict(dict)
    for uid, result in results:
        for used in [*missing_values(result, known), *_unfit_choices(result, narrowed)]:
            counts[used] += 1
            tasks[used][uid] = None
    found = [Orphan(*used, counts[used], tuple(list(tasks[used])[:SHOWN_TASKS])) for used in counts]
    return sorted(found, key=lambda orphan: (-orphan.count, orphan.field, orphan.value or ""))


def added_values(there: str, ours: Sequence[str]) -> list[Orphan]:
    """Return the fields and values of the server's configuration that none of ours has: somebody added them."""
    known = [config_values(config) for config in ours if config]
    found = []
    for field, values in config_values(there).items():
        if not any(field in config for config in known):
            found.append(Orphan(field, None, 0, ()))
        elif all(config.get(field) is not None for config in known if field in config):
            had = set().union(*(config[field] or set() for config in known if field in config))
            found += [Orphan(field, value, 0, ()) for value in sorted((values or set()) - had)]
    return found


def config_values(config: str) -> dict[str, set[str] | None]:
    """Return each field of a labelling configuration with its possible values; None where any text is right."""
    values: dict[str, set[str] | None] = {}
    for control in etree.fromstring(config.encode("utf-8")).iter():
        if control.get("toName") or control.tag == "Relations":
            values[control.get("name") or "relations"] = _values(control)
    return values


def missing_values(result: Result, known: dict[str, set[str] | None]) -> Iterator[tuple[str, str | None]]:
    """Yield (field, value) of a result that a configuration lacks; the value is None where the field is missing."""
    for region in result:
        if not isinstance(region, dict):
            continue
        field = "relations" if region.get("type") == "relation" else str(region.get("from_name"))
        if field not in known:
            yield field, None
            continue
        allowed = known[field]
        if allowed is not None:
            yield from ((field, value) for value in _used(region) if value not in allowed)


def _single_choices(config: str) -> set[str]:
    """Return the fields that take exactly one of their choices."""
    choices = etree.fromstring(config.encode("utf-8")).iter("Choices") if config else ()
    return {control.get("name") or "" for control in choices if control.get("choice") != "multiple"}


def _unfit_choices(result: Result, single: set[str]) -> Iterator[tuple[str, str]]:
    """Yield (field, its values) where a field that takes exactly one choice has several, or none."""
    for field in sorted(single):
        regions = [region for region in result if isinstance(region, dict) and region.get("from_name") == field]
        chosen = [value for region in regions for value in _used(region)]
        if len(chosen) != 1:
            yield field, " + ".join(chosen) or "no choice"


def _values(control: Element) -> set[str] | None:
    values = {child.get("alias") or child.get("value") or "" for tag in _VALUE_TAGS for child in control.iter(tag)}
    return values or None


def _used(region: dict[str, object]) -> list[str]:
    """Return the label values of one region."""
    if region.get("type") == "relation":
        labels = region.get("labels")
    else:
        value = region.get("value")
        labels = value.get(str(region.get("type"))) if isinstance(value, dict) else None
    return [label for label in labels if isinstance(label, str)] if isinstance(labels, list) else []
