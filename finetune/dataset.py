"""Datasets: labelled pairs, cleaned, split without leaks, written once and named by what they were made from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from doyen.core.errors import InputError, NotFoundError, StateError
from doyen.core.files import new_folder, write_json_atomic, write_text_atomic
from doyen.core.manifest import build_manifest, canonical_json, fingerprint, now
from doyen.core.records import Pair, Question, read_records
from doyen.core.store import Store
from doyen.core.store.schema import DatasetRow
from doyen.core.workspace import Workspace
from doyen.finetune.gold_passages import SourceDocument, load_sources
from doyen.finetune.labels import Cleaned, clean_pairs
from doyen.finetune.leakage import find_leaks
from doyen.finetune.split import Split, split_pairs

FORMAT = 1
"""Raised when the rules that turn pairs into a dataset change, so that old and new ones get different ids."""

FROZEN = "frozen_questions"
"""Key of the manifest that holds the hashes of the questions kept out."""


@dataclass(frozen=True)
class Dataset:
    """A dataset version.

    Attributes:
        dataset_id: name and fingerprint; the same inputs give the same id.
        folder: train.jsonl, validation.jsonl and manifest.json.
        manifest: inputs, counts, dropped pairs with reasons, disagreements.
    """

    dataset_id: str
    name: str
    folder: Path
    train: list[Pair]
    validation: list[Pair]
    manifest: dict[str, Any]


def build_dataset(
    workspace: Workspace,
    store: Store,
    pairs: Sequence[Pair],
    *,
    name: str,
    frozen: Sequence[Question] = (),
    seed: int | None = None,
) -> Dataset:
    """Make a dataset from labelled pairs, or return the one that the same inputs made before.

    Args:
        frozen: evaluation questions; pairs that nearly repeat one are left out and counted.
        seed: of the split; None takes it from the settings.

    Raises:
        InputError: no pair is usable, or the name cannot name a folder.
        StateError: the split leaks, which is a fault of this program.
    """
    _check_name(name)
    seed = workspace.settings.finetune.seed if seed is None else seed
    documents = load_sources(store, [pair.source for pair in pairs if pair.source])
    manifest = build_manifest("dataset", inputs=_inputs(name, pairs, documents, frozen), settings={"format": FORMAT}, seed=seed)
    dataset_id = f"{name}-{manifest['fingerprint'][:12]}"
    folder = workspace.datasets_folder / dataset_id
    if not (folder / "manifest.json").is_file():
        cleaned = clean_pairs(pairs, documents, frozen)
        if not cleaned.pairs:
            raise InputError(_nothing_left(pairs, cleaned))
        near_groups = {source: document.near_group for source, document in documents.items()}
        split = split_pairs(cleaned.pairs, near_groups, seed)
        leaks = find_leaks(split, near_groups, frozen)
        if leaks:
            raise StateError(f"the split of dataset {name!r} leaks, please report this: " + "; ".join(leaks[:5]))
        _write(folder, {**manifest, **_report(split, cleaned, near_groups, pairs, frozen)}, split)
    dataset = load_dataset(workspace, dataset_id)
    if FROZEN not in dataset.manifest:  # built before datasets recorded them; the same inputs are the same questions
        write_json_atomic(folder / "manifest.json", {**dataset.manifest, FROZEN: _hashes(frozen)})
        dataset = load_dataset(workspace, dataset_id)
    _register(store, dataset)
    return dataset


def load_dataset(workspace: Workspace, dataset_id: str) -> Dataset:
    """Read a dataset that was built before.

    Raises:
        NotFoundError: there is none of this id; the message names those that exist.
    """
    folder = workspace.datasets_folder / dataset_id
    if not (folder / "manifest.json").is_file():
        known = sorted(path.parent.name for path in workspace.datasets_folder.glob("*/manifest.json"))
        raise NotFoundError(f"there is no dataset {dataset_id!r}; known: {', '.join(known) or 'none, build one first'}")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    train = read_records(folder / "train.jsonl", Pair)
    validation = read_records(folder / "validation.jsonl", Pair) if manifest["counts"]["validation"] else []
    return Dataset(dataset_id, manifest["inputs"]["name"], folder, train, validation, manifest)


def dataset_rows(store: Store) -> list[DatasetRow]:
    """Return all datasets' rows, newest first."""
    with store.session() as session:
        return list(session.scalars(select(DatasetRow).order_by(DatasetRow.created_at.desc())))


def find_dataset(workspace: Workspace, store: Store, wanted: str) -> Dataset:
    """Read a dataset named by its id, or the newest one of that name.

    Raises:
        NotFoundError: there is none.
    """
    rows = dataset_rows(store)
    for row in rows:
        if wanted in {row.dataset_id, row.name}:
            return load_dataset(workspace, row.dataset_id)
    known = ", ".join(row.dataset_id for row in rows) or "none, build one with `doyen dataset build`"
    raise NotFoundError(f"there is no dataset {wanted!r}; known: {known}")


def excluded_questions(workspace: Workspace, dataset_id: str) -> frozenset[str] | None:
    """Return the hashes (`Question.asked_hash`) of the questions that a dataset kept out of training.

    Returns:
        None where the dataset is gone or does not record them.
    """
    path = workspace.datasets_folder / dataset_id / "manifest.json"
    try:
        hashes = json.loads(path.read_text(encoding="utf-8")).get(FROZEN)
    except FileNotFoundError:
        return None
    return None if hashes is None else frozenset(hashes)


def check_leakage(dataset: Dataset, questions: Sequence[Question]) -> list[str]:
    """Return one sentence for each leak between the dataset's parts or from frozen questions; empty when there is none."""
    return find_leaks(Split(dataset.train, dataset.validation), dataset.manifest["near_groups"], questions)


def _check_name(name: str) -> None:
    if not name or name.startswith(".") or any(not (character.isalnum() or character in "-_.") for character in name):
        raise InputError(f"{name!r} cannot be a dataset's name: use letters, digits, '-', '_' and '.'")


def _inputs(
    name: str, pairs: Sequence[Pair], documents: dict[str, SourceDocument], frozen: Sequence[Question]
) -> dict[str, Any]:
    return {
        "name": name,
        "pairs": fingerprint([pair.model_dump() for pair in pairs]),
        "documents": fingerprint({source: [item.version, item.near_group] for source, item in documents.items()}),
        "frozen": fingerprint([question.model_dump() for question in frozen]),
    }


def _report(
    split: Split, cleaned: Cleaned, near_groups: dict[str, str], pairs: Sequence[Pair], frozen: Sequence[Question]
) -> dict[str, Any]:
    trained = {near_groups[pair.source] for pair in split.train if pair.source}
    return {
        "counts": {
            "given": len(pairs),
            "train": len(split.train),
            "validation": len(split.validation),
            "dropped": dict(Counter(entry["step"] for entry in cleaned.dropped)),
            "disagreements": len(cleaned.disagreements),
            "unanswerable": sum(not pair.answerable for pair in cleaned.pairs),
            "documents": len(trained),
            "frozen": len(frozen),
            "frozen_on_trained_documents": sum(near_groups.get(question.source or "") in trained for question in frozen),
        },
        "dropped": cleaned.dropped,
        "disagreements": cleaned.disagreements,
        "near_groups": near_groups,
        FROZEN: _hashes(frozen),
    }


def _hashes(questions: Sequence[Question]) -> list[str]:
    return sorted(question.asked_hash for question in questions)


def _write(folder: Path, manifest: dict[str, Any], split: Split) -> None:
    with new_folder(folder) as target:
        for part, pairs in (("train", split.train), ("validation", split.validation)):
            lines = [canonical_json(pair.model_dump(exclude_none=True)) + "\n" for pair in pairs]
            write_text_atomic(target / f"{part}.jsonl", "".join(lines))
        write_json_atomic(target / "manifest.json", manifest)


def _register(store: Store, dataset: Dataset) -> None:
    with store.session() as session:
        if session.get(DatasetRow, dataset.dataset_id) is None:
            row = DatasetRow(dataset_id=dataset.dataset_id, name=dataset.name, manifest=dataset.manifest, created_at=now())
            session.add(row)


def _nothing_left(pairs: Sequence[Pair], cleaned: Cleaned) -> str:
    if not pairs:
        return "there are no labelled pairs: label some, or name a pairs.jsonl that holds them"
    first = "; ".join(f"{entry['id']}: {entry['reason']}" for entry in cleaned.dropped[:3])
    return f"none of the {len(pairs)} pairs can be used ({first}): ingest their documents first and check the quotes"
