"""Datasets as they lie in a workspace: a folder for each version, written once, and a row in the database."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from doyen.core.errors import NotFoundError, StateError
from doyen.core.files import new_folder, sha256_file, write_json_atomic, write_text_atomic
from doyen.core.manifest import canonical_json, now
from doyen.core.records import Pair, read_records
from doyen.core.store import Store
from doyen.core.store.schema import DatasetRow
from doyen.core.workspace import Workspace
from doyen.finetune.split import Split

PARTS = ("train", "validation", "test")
FROZEN = "frozen_questions"
"""Key of the manifest that holds the hashes of the questions kept out."""
FILES = "files"
"""Key of the manifest that holds the SHA-256 of each file; earlier versions have none."""
VARIANTS = "variants"
"""Key of the manifest's ``origin`` that says of each variant by its id which pair it comes from, and how it was made."""
MANIFEST, CARD, AUDIT = "manifest.json", "card.md", "masked.jsonl"


@dataclass(frozen=True)
class Dataset:
    """A dataset version.

    Attributes:
        dataset_id: name and fingerprint; the same inputs give the same id.
        folder: a file of pairs for each part, manifest.json, and card.md for people.
        manifest: inputs, counts, dropped pairs with reasons, disagreements, lineage.
        test: empty where none was asked for.
    """

    dataset_id: str
    name: str
    folder: Path
    train: list[Pair]
    validation: list[Pair]
    manifest: dict[str, Any]
    test: list[Pair] = field(default_factory=list)

    @property
    def variants(self) -> frozenset[str]:
        """The ids of pairs that are variants of others (`doyen dataset augment`)."""
        return frozenset(self.manifest.get("origin", {}).get(VARIANTS, ()))

    def training_pairs(self, variant_share: float, seed: int, number: int = 0) -> list[Pair]:
        """Return the training pairs, of the variants a share that is drawn anew for each pass over the pairs.

        Args:
            number: of the pass.
        """
        variants = self.variants
        if variant_share >= 1 or not variants:
            return self.train
        draw = random.Random(f"{seed}/{number}/variants")
        return [pair for pair in self.train if pair.id not in variants or draw.random() < variant_share]

    @property
    def parts(self) -> Split:
        """Its parts, as a split."""
        return Split(self.train, self.validation, self.test)


def load_dataset(workspace: Workspace, dataset_id: str) -> Dataset:
    """Read a dataset that was built before.

    Raises:
        NotFoundError: there is none of this id; the message names those that exist.
        StateError: its files are not what was built.
    """
    folder = workspace.datasets_folder / dataset_id
    if not (folder / MANIFEST).is_file():
        known = sorted(path.parent.name for path in workspace.datasets_folder.glob(f"*/{MANIFEST}"))
        raise NotFoundError(f"there is no dataset {dataset_id!r}; known: {', '.join(known) or 'none, build one first'}")
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    _require_unchanged(folder, manifest)
    pairs = {part: _read_part(folder, part) if manifest["counts"].get(part) else [] for part in PARTS}
    return Dataset(dataset_id, manifest["inputs"]["name"], folder, pairs["train"], pairs["validation"], manifest, pairs["test"])


def write_dataset(folder: Path, manifest: dict[str, Any], split: Split, texts: Mapping[str, str]) -> None:
    """Write a version whole or not at all; the manifest gets the hash of each file.

    Args:
        texts: other files of the folder, by name.
    """
    with new_folder(folder) as target:
        for part, pairs in (("train", split.train), ("validation", split.validation), ("test", split.test)):
            if pairs or part != "test":
                lines = [canonical_json(pair.model_dump(exclude_none=True)) + "\n" for pair in pairs]
                write_text_atomic(target / f"{part}.jsonl", "".join(lines))
        for name, text in texts.items():
            write_text_atomic(target / name, text)
        hashes = {path.name: sha256_file(path) for path in sorted(target.iterdir())}
        write_json_atomic(target / MANIFEST, {**manifest, FILES: hashes})


def register_dataset(store: Store, dataset: Dataset) -> None:
    """Add the dataset's row to the database, where it is missing."""
    with store.session() as session:
        if session.get(DatasetRow, dataset.dataset_id) is None:
            row = DatasetRow(dataset_id=dataset.dataset_id, name=dataset.name, manifest=dataset.manifest, created_at=now())
            session.add(row)


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
    path = workspace.datasets_folder / dataset_id / MANIFEST
    try:
        hashes = json.loads(path.read_text(encoding="utf-8")).get(FROZEN)
    except FileNotFoundError:
        return None
    return None if hashes is None else frozenset(hashes)


def _read_part(folder: Path, part: str) -> list[Pair]:
    return read_records(folder / f"{part}.jsonl", Pair)


def _require_unchanged(folder: Path, manifest: dict[str, Any]) -> None:
    for name, wanted in manifest.get(FILES, {}).items():
        path = folder / name
        if not path.is_file() or sha256_file(path) != wanted:
            raise StateError(
                f"{path} is not what was built: a dataset is never edited. Restore the file, or delete {folder} and build again"
            )
