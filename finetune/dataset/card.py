"""The card of a dataset: what its readers need to know, as Markdown, written from the manifest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from doyen.finetune.dataset.advice import size_advice

SHOWN = 20
"""Classes, documents and annotators that are listed."""
HELD_APART = {
    "document": "no document is in two parts",
    "group": "no labelling group is in two parts",
    "time": "the newest rows are held out",
}


def card_text(manifest: Mapping[str, Any]) -> str:
    """Return the card of a dataset that the manifest describes."""
    name = f"{manifest['inputs']['name']}-{manifest['fingerprint'][:12]}"
    sections = {
        "": _summary(manifest),
        "Parts": _parts(manifest),
        "Classes": _classes(manifest),
        "Rules": _rules(manifest),
        "Left out": _left_out(manifest),
        "Missing values": _missing(manifest),
        "Personal data": _personal(manifest),
        "Leaks": _leaks(manifest),
        "Size": size_advice(manifest),
        "Where it comes from": _lineage(manifest),
    }
    blocks = [f"# Dataset {name}"]
    for title, lines in sections.items():
        if lines:
            blocks.append("\n".join([*([f"## {title}", ""] if title else []), *lines]))
    return "\n\n".join(blocks) + "\n"


def _summary(manifest: Mapping[str, Any]) -> list[str]:
    kind, day = "Texts with labels" if manifest["classification"] else "Prompts and responses", manifest["created_at"][:10]
    return [
        f"{kind} of one domain, made by `doyen dataset build` on {day}. Versions are never changed: the id names the inputs, "
        "`manifest.json` has their hashes and those of the files."
    ]


def _parts(manifest: Mapping[str, Any]) -> list[str]:
    counts = manifest["counts"]
    rows = [(part, counts[part]) for part in ("train", "validation", "test")]
    how = "given with the rows" if "parts" in manifest["inputs"] else HELD_APART[manifest["recipe"]["split"]]
    lines = [*_table(("part", "rows"), rows), "", f"The parts: {how}. {counts['unanswerable']} rows have no answer."]
    return [*lines, f"{counts['replay']} rows of training are general ones."] if counts["replay"] else lines


def _classes(manifest: Mapping[str, Any]) -> list[str]:
    classes = manifest["classes"]
    if not manifest["classification"] or not classes:
        return []
    sizes = {name: sum(parts.values()) for name, parts in classes.items()}
    largest = sorted(sizes, key=lambda name: -sizes[name])[:SHOWN]
    lines = _table(("class", "train", "validation", "test"), [(name, *classes[name].values()) for name in largest])
    ratio = max(sizes.values()) / max(1, min(sizes.values()))
    return [*lines, "", f"{len(sizes)} classes; the largest has {ratio:.1f} times the rows of the smallest."]


def _rules(manifest: Mapping[str, Any]) -> list[str]:
    changed = manifest["settings"].get("recipe", {})
    lines = [f"- `{name}`: {value}" for name, value in sorted(changed.items())] or ["All are the defaults."]
    return [*lines, *(f"- {note}" for note in manifest["notes"])]


def _left_out(manifest: Mapping[str, Any]) -> list[str]:
    counts = manifest["counts"]
    lines = _table(("step", "rows"), counts["dropped"].items()) if counts["dropped"] else ["Nothing."]
    more = f"{counts['disagreements']} items on which annotators disagreed; `manifest.json` names what was kept."
    return [*lines, "", more] if counts["disagreements"] else lines


def _missing(manifest: Mapping[str, Any]) -> list[str]:
    return [f"- {entry['rows']} rows without {entry['field']}: {entry['rule']}" for entry in manifest["missing"]]


def _personal(manifest: Mapping[str, Any]) -> list[str]:
    if manifest["recipe"]["personal_data"] != "mask":
        return ["It was not looked for."]
    found = [f"- {kind}: {count} masked" for kind, count in manifest["masked"].items()]
    return [*(found or ["None was found."]), "Names of people and places have no form by which they would be found."]


def _leaks(manifest: Mapping[str, Any]) -> list[str]:
    counts = manifest["counts"]
    lines = [f"None between the parts, nor from {counts['frozen']} frozen questions. Compared were:"]
    return [*lines, *(f"- {how}: {said}" for how, said in manifest["leak_check"].items())]


def _lineage(manifest: Mapping[str, Any]) -> list[str]:
    origin = ", ".join(f"{name} {value}" for name, value in manifest["origin"].items()) or "pairs given to Python"
    annotators = [f"{name or 'not named'} {count}" for name, count in manifest["annotators"].items()]
    documents = list(manifest["lineage"])
    lines = [f"- labels: {origin}", f"- annotators: {_listed(annotators)}"]
    if manifest["dates"]:
        lines.append(f"- labelled: {manifest['dates'][0]} to {manifest['dates'][1]}")
    return [*lines, f"- documents: {len(documents)} ({_listed(documents)})" if documents else "- documents: none"]


def _listed(items: list[str]) -> str:
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(items[:SHOWN]) + more


def _table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> list[str]:
    body = [f"| {' | '.join(str(cell).replace('|', '/') for cell in row)} |" for row in rows]
    return [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *body]
