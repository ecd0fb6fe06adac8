"""Building a dataset, from labelled pairs to a registered version, as one sequence of steps."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from doyen.core.errors import InputError, StateError
from doyen.core.files import write_json_atomic
from doyen.core.frozen_questions import frozen_questions
from doyen.core.manifest import build_manifest, fingerprint
from doyen.core.records import Pair, Question
from doyen.core.settings import DatasetSettings
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.finetune.dataset.balance import balance_training
from doyen.finetune.dataset.build_report import report_of
from doyen.finetune.dataset.card import card_text
from doyen.finetune.dataset.labels import Cleaned, clean_pairs
from doyen.finetune.dataset.paraphrases import same_questions
from doyen.finetune.dataset.replay import mix_in
from doyen.finetune.dataset.stored import AUDIT, CARD, FROZEN, MANIFEST, Dataset, load_dataset, register_dataset, write_dataset
from doyen.finetune.dataset_use import on_deleted_documents
from doyen.finetune.gold_passages import SourceDocument, load_sources
from doyen.finetune.leakage import Leak, LeakKind, LeakReport, check_leaks
from doyen.finetune.leakage.meaning import Encoder
from doyen.finetune.split import Split, assigned, split_pairs

if TYPE_CHECKING:
    from doyen.retrieval.embedder import Embedder

FORMAT = 1
"""Raised when the rules that turn pairs into a dataset change, so that old and new ones get different ids."""
EMBEDDER = "all-minilm-l6-v2"
"""The packaged embedder, for which the leak check's thresholds were chosen; not the workspace's, which may be another."""
SHOWN = 10
"""Leaks that a refusal shows."""


@dataclass(frozen=True)
class Order:
    """What a dataset is to be made from.

    Attributes:
        pairs: labelled pairs.
        frozen: evaluation questions that it must not hold, the registered ones among them.
        recipe: how.
        given: part of each pair by its id, where the parts were chosen elsewhere; empty where they are chosen here.
        replay: general pairs to mix into training.
        origin: where the pairs come from, for the lineage.
        deleted: why, by id, for pairs whose document was deleted.
    """

    name: str
    pairs: Sequence[Pair]
    frozen: Sequence[Question]
    recipe: DatasetSettings
    seed: int
    given: Mapping[str, str] = field(default_factory=dict)
    replay: Sequence[Pair] = ()
    origin: Mapping[str, Any] = field(default_factory=dict)
    deleted: Mapping[str, str] = field(default_factory=dict)


def build_dataset(
    workspace: Workspace,
    store: Store,
    pairs: Sequence[Pair],
    *,
    name: str,
    frozen: Sequence[Question] = (),
    seed: int | None = None,
    recipe: DatasetSettings | None = None,
    given: Mapping[str, str] | None = None,
    replay: Sequence[Pair] = (),
    origin: Mapping[str, Any] | None = None,
    missing: Sequence[Mapping[str, Any]] = (),
) -> Dataset:
    """Make a dataset from labelled pairs, or return the one that the same inputs made before.

    Args:
        frozen: evaluation questions beside those that are registered in the workspace; pairs that nearly repeat one of
            either are left out and counted.
        seed: of the split; None takes it from the settings.
        recipe: filters, split and rules; None takes the section ``dataset`` of the settings.
        given: part of each pair by its id; None lets the recipe split.
        replay: general pairs to mix into training.
        origin: where the pairs come from, for the lineage.
        missing: values that were missing when the pairs were read, for the report.

    Raises:
        InputError: no pair is usable, the name cannot name a folder, or the pairs leak from one part into another.
        StateError: the split leaks, which is a fault of this program, or the files of the dataset were changed.
    """
    _check_name(name)
    chosen = recipe or workspace.settings.dataset
    seed = workspace.settings.finetune.seed if seed is None else seed
    questions = frozen_questions(workspace, frozen)
    deleted = on_deleted_documents(store, pairs)
    order = Order(name, pairs, questions, chosen, seed, given or {}, replay, origin or {}, deleted)
    documents = load_sources(store, [pair.source for pair in pairs if pair.source])
    manifest = _identity(order, documents)
    dataset_id = f"{name}-{manifest['fingerprint'][:12]}"
    folder = workspace.datasets_folder / dataset_id
    if not (folder / MANIFEST).is_file():
        encoder = PackagedEncoder(workspace.settings.retrieval.embedder_dtype)
        near_groups = {source: document.near_group for source, document in documents.items()}
        cleaned = _clean(order, documents, encoder)
        cleaned.missing[:0] = map(dict, missing)
        split = _split(order, cleaned, near_groups, encoder)
        split = balance_training(split, cleaned, chosen, seed)
        split = mix_in(replay, split, cleaned, questions, chosen, seed)
        checked = check_leaks(split, near_groups, questions, encoder=encoder, by_document=_by_document(order))
        _refuse_leaks(order, checked.leaks)
        manifest |= _told(order, split, cleaned, documents, checked)
        write_dataset(folder, manifest, split, _texts(manifest, cleaned))
    dataset = load_dataset(workspace, dataset_id)
    if FROZEN not in dataset.manifest:  # built before datasets recorded them; the same inputs are the same questions
        write_json_atomic(folder / MANIFEST, {**dataset.manifest, FROZEN: _hashes(questions)})
        dataset = load_dataset(workspace, dataset_id)
    register_dataset(store, dataset)
    return dataset


def check_dataset(workspace: Workspace, dataset: Dataset, questions: Sequence[Question] = ()) -> LeakReport:
    """Check a dataset again, also against questions that were registered after it was built.

    Args:
        questions: frozen ones beside the registered.
    """
    asked = frozen_questions(workspace, questions)
    by_document = dataset.manifest.get("by_document", True)
    return check_leaks(
        dataset.parts,
        dataset.manifest["near_groups"],
        asked,
        encoder=PackagedEncoder(workspace.settings.retrieval.embedder_dtype),
        by_document=by_document,
    )


def check_leakage(dataset: Dataset, questions: Sequence[Question]) -> list[Leak]:
    """Return each leak by wording between the dataset's parts or from frozen questions; empty when there is none."""
    return check_leaks(dataset.parts, dataset.manifest["near_groups"], questions).leaks


@dataclass(frozen=True)
class PackagedEncoder:
    """The packaged embedder, loaded when something is first embedded; for its vectors the leak check's thresholds hold.

    Attributes:
        dtype: ``retrieval.embedder_dtype``.
    """

    dtype: str

    @property
    def embedder(self) -> Embedder:
        """The model, which is loaded once for all."""
        from doyen.retrieval.embedder import load_embedder

        return load_embedder(EMBEDDER, self.dtype)

    @property
    def network(self) -> Any:
        """The PyTorch module."""
        return self.embedder.network

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, ``(len(texts), dim)`` float32."""
        return self.embedder.encode(texts)

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the word pieces of texts."""
        return self.embedder.tokens(texts)


def _check_name(name: str) -> None:
    if not name or name.startswith(".") or any(not (character.isalnum() or character in "-_.") for character in name):
        raise InputError(f"{name!r} cannot be a dataset's name: use letters, digits, '-', '_' and '.'")


def _identity(order: Order, documents: Mapping[str, SourceDocument]) -> dict[str, Any]:
    """Return the manifest whose fingerprint names the dataset; a default adds nothing, so that ids stay what they were."""
    inputs = {
        "name": order.name,
        "pairs": fingerprint([pair.model_dump() for pair in order.pairs]),
        "documents": fingerprint({source: [item.version, item.near_group] for source, item in documents.items()}),
        "frozen": fingerprint([question.model_dump() for question in order.frozen]),
    }
    if order.given:
        inputs["parts"] = fingerprint(dict(order.given))
    if order.deleted:
        inputs["deleted"] = fingerprint(sorted(order.deleted))
    if order.replay:
        inputs["replay"] = fingerprint([pair.model_dump() for pair in order.replay])
    settings: dict[str, Any] = {"format": FORMAT}
    if changed := order.recipe.model_dump(mode="json", exclude_defaults=True):
        settings["recipe"] = changed
    return build_manifest("dataset", inputs=inputs, settings=settings, seed=order.seed)


def _clean(order: Order, documents: dict[str, SourceDocument], encoder: Encoder) -> Cleaned:
    cleaned = clean_pairs(order.pairs, documents, order.frozen, order.recipe, order.given, order.deleted)
    if order.recipe.paraphrases == "resolve":
        asked = dict(same_questions(cleaned.pairs, order.frozen, encoder.encode))
        said = "it asks the frozen question {!r} in other words"
        cleaned.drop("frozen", {cleaned.pairs[i].id: said.format(order.frozen[j].id) for i, j in asked.items()})
    if not cleaned.pairs:
        raise InputError(_nothing_left(order.pairs, cleaned))
    return cleaned


def _split(order: Order, cleaned: Cleaned, near_groups: Mapping[str, str], encoder: Encoder) -> Split:
    if order.given:
        return assigned(cleaned.pairs, {place: order.given.get(pair.id, "train") for place, pair in enumerate(cleaned.pairs)})
    resolve = order.recipe.paraphrases == "resolve"
    together = same_questions(cleaned.pairs, None, encoder.encode) if resolve else []
    return split_pairs(cleaned.pairs, near_groups, order.seed, order.recipe, together)


def _by_document(order: Order) -> bool:
    return order.recipe.split == "document"


def _refuse_leaks(order: Order, leaks: Sequence[Leak]) -> None:
    """Stop the build where something leaks.

    Raises:
        InputError: the pairs, or the parts that were given, leak.
        StateError: the splitter has let something through that it holds together.
    """
    if not leaks:
        return
    counts = ", ".join(f"{count} {kind}" for kind, count in Counter(leak.kind.value for leak in leaks).items())
    shown = "".join(f"\n  - {leak}" for leak in leaks[:SHOWN])
    more = f"\n  … and {len(leaks) - SHOWN} more" if len(leaks) > SHOWN else ""
    told = f"dataset {order.name!r} leaks ({counts}):{shown}{more}\n"
    if order.given:
        raise InputError(f"{told}Leave these rows out of the given parts, or build without them and let Doyen split the pairs")
    if any(leak.kind not in {LeakKind.NEAR, LeakKind.MEANING} for leak in leaks):
        raise StateError(f"{told}The split should have held them together: please report this")
    raise InputError(
        f"{told}Edit the pairs, or give `--paraphrases resolve` to hold them together and leave out those of frozen questions"
    )


def _told(
    order: Order, split: Split, cleaned: Cleaned, documents: Mapping[str, SourceDocument], checked: LeakReport
) -> dict[str, Any]:
    """Return what the manifest says beside what names the dataset."""
    told = report_of(split, cleaned, documents, order.pairs, order.frozen)
    return {
        **told,
        "origin": dict(order.origin),
        "by_document": _by_document(order),
        "recipe": order.recipe.model_dump(mode="json"),
        "leak_check": checked.compared,
        FROZEN: _hashes(order.frozen),
    }


def _texts(manifest: dict[str, Any], cleaned: Cleaned) -> dict[str, str]:
    audit = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in cleaned.masked)
    return {CARD: card_text(manifest), **({AUDIT: audit} if audit else {})}


def _hashes(questions: Sequence[Question]) -> list[str]:
    return sorted(question.asked_hash for question in questions)


def _nothing_left(pairs: Sequence[Pair], cleaned: Cleaned) -> str:
    if not pairs:
        return "there are no labelled pairs: label some, or name a pairs.jsonl that holds them"
    first = "; ".join(f"{entry['id']}: {entry['reason']}" for entry in cleaned.dropped[:3])
    return f"none of the {len(pairs)} pairs can be used ({first}): ingest their documents first and check the quotes"
