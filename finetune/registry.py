"""The registry of adapters: versions of a name, each in a stage.

candidate ─▶ staging ─▶ production ─▶ retired
    └──────────────────────▲  ▲──rollback──┘
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from doyen.core.errors import InputError, NotFoundError, StateError, storage_errors
from doyen.core.files import new_folder, write_json_atomic, write_text_atomic
from doyen.core.manifest import now
from doyen.core.store import Store
from doyen.core.store.schema import EMBEDDER, PRODUCTION, AdapterRow
from doyen.core.workspace import Workspace
from doyen.finetune.model_card import card_text

CANDIDATE, STAGING, RETIRED, DELETED = "candidate", "staging", "retired", "deleted"
STAGES = (CANDIDATE, STAGING, PRODUCTION, RETIRED)
"""Where a version stands: as it was trained, being tried, answering under its bare name, replaced. At most one version of a
name is in staging, and one in production."""
GENERATOR, READER, GENERAL_READING = "generator", "reader", "general-reading"
"""What an adapter is: of the model that writes answers, of the one that finds them in passages, or of the former and trained to
answer from passages of any domain, so that others are trained from it. EMBEDDER is a whole model that embeds passages."""
CLASSIFIER, TOKEN_CLASSIFIER = "classifier", "token-classifier"
"""Heads: one that gives texts their classes, and one that gives words their tags."""
HEADS = frozenset({CLASSIFIER, TOKEN_CLASSIFIER})
RESERVED = frozenset({"general", "none"})
"""Names that settings use for what comes with Doyen, and for nothing."""
_NOUNS = {
    GENERATOR: "adapters of the generator",
    READER: "adapters of the reader",
    GENERAL_READING: "general reading adapters",
    EMBEDDER: "embedders",
    CLASSIFIER: "heads that classify texts",
    TOKEN_CLASSIFIER: "heads that tag words",
}
WEIGHTS = "adapter_model.safetensors"
"""Weights in a PEFT folder."""
_PROMOTION = "promotion"
"""Key of the row's manifest that counts the promotions of a name, so that a rollback knows which came before."""


@dataclass(frozen=True)
class Adapter:
    """A registered adapter version.

    Attributes:
        folder: PEFT folder with adapter_config.json, adapter_model.safetensors and manifest.json; of a reader, its two files;
            of an embedder, the whole model; of a head, its linear layer and description beside the PEFT folder's.
        base_sha256: weights that it was trained on; it fits no others.
        stage: one of `STAGES`.
    """

    name: str
    version: int
    folder: Path
    base_model: str
    base_sha256: str
    stage: str
    dataset_id: str
    manifest: dict[str, Any]

    @property
    def kind(self) -> str:
        """One of the names above. Manifests of the generator's say "adapter", as before there were others."""
        found = self.manifest.get("kind")
        return found if found in _NOUNS else GENERATOR

    @property
    def of_generator(self) -> bool:
        """Whether a generator can answer with it."""
        return self.kind in {GENERATOR, GENERAL_READING}

    @property
    def has_weights(self) -> bool:
        """Whether its files are still there."""
        return any(self.folder.glob("*.safetensors"))

    @property
    def created_at(self) -> str:
        """Time of its training."""
        return str(self.manifest.get("created_at", ""))

    @property
    def ref(self) -> str:
        """Name and version as users write them: ``name:version``."""
        return f"{self.name}:{self.version}"


class Registry:
    """Finds, adds and promotes adapters of one workspace."""

    def __init__(self, workspace: Workspace, store: Store) -> None:
        self._folder, self._store = workspace.adapters_folder, store

    def get(self, reference: str) -> Adapter:
        """Return ``name:version``, ``name:staging`` or ``name:production``; a bare name: what is in production, else newest.

        Raises:
            NotFoundError: there is none; the message names those that exist.
        """
        name, _, version = reference.partition(":")
        found = [adapter for adapter in self.list() if adapter.name == name]
        if version:
            found = [adapter for adapter in found if version in {str(adapter.version), adapter.stage} - {CANDIDATE, RETIRED}]
        if not found:
            raise NotFoundError(no_adapter(reference, self.list()))
        return max(found, key=lambda adapter: (adapter.stage == PRODUCTION, adapter.version))

    def list(self, kind: str | None = None) -> list[Adapter]:
        """Return all adapters, or those of one kind, by name and version."""
        query = select(AdapterRow).where(AdapterRow.stage != DELETED).order_by(AdapterRow.name, AdapterRow.version)
        with self._store.session() as session:
            found = [self._adapter(row) for row in session.scalars(query)]
        return [adapter for adapter in found if kind in {None, adapter.kind}]

    def find(self, name: str, fingerprint: str) -> Adapter | None:
        """Return the newest version of a name whose manifest has this fingerprint and whose files are there."""
        same = [item for item in self.list() if item.name == name and item.manifest.get("fingerprint") == fingerprint]
        return next((item for item in reversed(same) if item.has_weights), None)

    def require_kind(self, name: str, kind: str) -> None:
        """Check that a name is free, or that of adapters of this kind: its versions take each other's place.

        Raises:
            InputError: it is not.
        """
        other = next((adapter.kind for adapter in self.list() if adapter.name == name and adapter.kind != kind), None)
        if other:
            raise InputError(f"{name!r} names {_NOUNS[other]}: name this one otherwise with `--adapter NAME`")
        if name in RESERVED or (name == GENERAL_READING and kind != GENERAL_READING):
            raise InputError(f"{name!r} means something else in settings: name this one otherwise with `--adapter NAME`")

    def register(self, name: str, files: Path, *, base_model: str, dataset_id: str, manifest: dict[str, Any]) -> Adapter:
        """Copy a PEFT folder into the registry as the next version of ``name``, with a card; it starts as a candidate.

        Args:
            manifest: with the base weights' hash as ``manifest["inputs"]["base"]``.

        Raises:
            InputError: the name cannot name a folder.
            StorageError: the disk is full.
        """
        if not name or name.startswith(".") or any(not (letter.isalnum() or letter in "-_.") for letter in name):
            raise InputError(f"{name!r} cannot be an adapter's name: use letters, digits, '-', '_' and '.'")
        with storage_errors("storing an adapter"), self._store.session() as session:
            versions = session.scalars(select(AdapterRow.version).where(AdapterRow.name == name)).all()
            version = max(versions, default=0) + 1
            row = AdapterRow(
                name=name,
                version=version,
                base_model=base_model,
                base_sha256=manifest["inputs"]["base"],
                dataset_id=dataset_id,
                stage=CANDIDATE,
                manifest=manifest,
                created_at=now(),
            )
            # The row goes in first: it holds the version number against a second process until the files are there.
            session.add(row)
            session.flush()
            with new_folder(self._folder / name / str(version)) as target:
                shutil.copytree(files, target, dirs_exist_ok=True)
                write_json_atomic(target / "manifest.json", manifest)
                write_text_atomic(target / "README.md", card_text(self._adapter(row)))
        return self._adapter(row)

    def promote(self, reference: str, grounds: Mapping[str, Any] | None = None) -> Adapter:
        """Make a version the one that its bare name stands for; the one before is retired, of embedders whatever its name.

        Args:
            grounds: who promotes it and why; kept with the time in the list ``manifest["promotions"]``.

        Raises:
            NotFoundError: there is no such adapter.
        """
        adapter = self.get(reference)
        with self._store.session() as session:
            rows = self._rivals(session, adapter)
            row = next(row for row in rows if (row.name, row.version) == (adapter.name, adapter.version))
            if row.stage != PRODUCTION:
                _switch(rows, row, max(_promotion(item) for item in rows) + 1)
            if grounds is not None:
                told = [*row.manifest.get("promotions", []), {"at": now(), **grounds}]
                row.manifest = {**row.manifest, "promotions": told}
            return self._adapter(row)

    def stage(self, reference: str, grounds: Mapping[str, Any] | None = None) -> Adapter:
        """Put a version that does not answer yet into staging; the one that was there is a candidate again.

        Args:
            grounds: who does so and why; kept with the time in the list ``manifest["stagings"]``.

        Raises:
            NotFoundError: there is no such adapter.
            StateError: it is in production.
        """
        adapter = self.get(reference)
        if adapter.stage == PRODUCTION:
            raise StateError(f"{adapter.ref} is in production already: staging is for versions that are still to be tried")
        with self._store.session() as session:
            for before in session.scalars(
                select(AdapterRow).where(AdapterRow.name == adapter.name, AdapterRow.stage == STAGING)
            ):
                before.stage = RETIRED if _promotion(before) else CANDIDATE
            row = session.get_one(AdapterRow, (adapter.name, adapter.version))
            row.stage = STAGING
            row.manifest = {**row.manifest, "stagings": [*row.manifest.get("stagings", []), {"at": now(), **(grounds or {})}]}
            return self._adapter(row)

    def find_deleted(self, reference: str) -> Adapter | None:
        """Return what is still known of a version whose files were deleted."""
        name, _, version = reference.partition(":")
        with self._store.session() as session:
            row = session.get(AdapterRow, (name, int(version))) if version.isdecimal() else None
            return self._adapter(row) if row is not None and row.stage == DELETED else None

    def add_to_manifest(self, reference: str, key: str, value: Any) -> Adapter:
        """Add what was found out about a version after its training; its weights and identity stay what they are.

        Raises:
            NotFoundError: there is no such adapter.
        """
        adapter = self.get(reference)
        with self._store.session() as session:
            row = session.get_one(AdapterRow, (adapter.name, adapter.version))
            row.manifest = {**row.manifest, key: value}
            write_json_atomic(adapter.folder / "manifest.json", row.manifest)
            return self._adapter(row)

    def rollback(self, name: str) -> Adapter:
        """Promote again the version that was promoted before the present one; again goes one further back.

        Behind the first promoted embedder is the model that the settings name: its version is returned as retired.

        Raises:
            NotFoundError: there is no adapter of this name.
            StateError: no version was promoted before.
        """
        adapter = self.get(name)
        with self._store.session() as session:
            rows = self._rivals(session, adapter)
            row = _earlier(rows, adapter)
            if row is not None:
                _switch(rows, row, _promotion(row))
                return self._adapter(row)
            for each in rows:
                each.stage = RETIRED if each.stage == PRODUCTION else each.stage
                each.manifest = {**each.manifest, _PROMOTION: 0}
        return self.get(adapter.ref)

    def before(self, name: str) -> Adapter | None:
        """Return what ``rollback`` would promote; None for the embedder that the settings name.

        Raises:
            NotFoundError, StateError: as in ``rollback``.
        """
        adapter = self.get(name)
        with self._store.session() as session:
            row = _earlier(self._rivals(session, adapter), adapter)
            return self._adapter(row) if row is not None else None

    def delete(self, reference: str) -> None:
        """Delete a version's files; its number is not given out again.

        Args:
            reference: ``name:version``; a bare name is not enough to delete.

        Raises:
            NotFoundError: there is no such version.
            StateError: it is promoted.
        """
        if ":" not in reference:
            raise NotFoundError(f"name the version to delete, as in {self.get(reference).ref!r}")
        adapter = self.get(reference)
        if adapter.stage == PRODUCTION:
            raise StateError(f"{adapter.ref} is in production: promote another version or roll back before deleting it")
        with self._store.session() as session:
            row = session.get(AdapterRow, (adapter.name, adapter.version))
            if row is not None:
                row.stage = DELETED
        shutil.rmtree(adapter.folder, ignore_errors=True)

    def _rivals(self, session: Session, adapter: Adapter) -> Sequence[AdapterRow]:
        """Return the versions of which one is promoted: those of its name, or all embedders."""
        rows = session.scalars(select(AdapterRow).where(AdapterRow.stage != DELETED)).all()
        if adapter.kind == EMBEDDER:
            return [row for row in rows if row.manifest.get("kind") == EMBEDDER]
        return [row for row in rows if row.name == adapter.name]

    def _adapter(self, row: AdapterRow) -> Adapter:
        folder = self._folder / row.name / str(row.version)
        return Adapter(
            row.name, row.version, folder, row.base_model, row.base_sha256, row.stage, row.dataset_id, dict(row.manifest)
        )


def _promotion(row: AdapterRow) -> int:
    return int(row.manifest.get(_PROMOTION, 0))


def _earlier(rows: Sequence[AdapterRow], adapter: Adapter) -> AdapterRow | None:
    """Return the row that was promoted before the present one; None for the embedder that the settings name."""
    present = next((row for row in rows if row.stage == PRODUCTION), None)
    earlier = [row for row in rows if present and 0 < _promotion(row) < _promotion(present)]
    if not earlier and not (present and adapter.kind == EMBEDDER):
        raise StateError(f"adapter {adapter.name!r} has no earlier promoted version to go back to: promote one by name:version")
    return max(earlier, key=_promotion, default=None)


def _switch(rows: Sequence[AdapterRow], chosen: AdapterRow, promotion: int) -> None:
    for row in rows:
        if row.stage == PRODUCTION:
            row.stage = RETIRED
    chosen.stage = PRODUCTION
    chosen.manifest = {**chosen.manifest, _PROMOTION: promotion}


def no_adapter(reference: str, known: Sequence[Adapter] = ()) -> str:
    """Return the sentence about an adapter that does not exist, as far as one who knows of these can tell."""
    names = ", ".join(adapter.ref for adapter in known) or "none yet, train one with `doyen train`"
    return f"there is no adapter {reference!r}; known: {names}"
