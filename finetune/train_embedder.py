"""Training the embedder on a workspace's labelled pairs, from a dataset to a registered version, as one sequence of steps."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from doyen.core.answers import Retriever
from doyen.core.costs import Estimate, Spent, save_estimate
from doyen.core.errors import InputError, storage_errors
from doyen.core.manifest import build_manifest
from doyen.core.models import resolve_embedder
from doyen.core.progress import Reporter, Silent
from doyen.core.settings import CostSettings, FinetuneSettings
from doyen.core.store import Store
from doyen.core.store.schema import EMBEDDER
from doyen.core.workspace import Workspace
from doyen.finetune.contrastive import FEWEST_HEADINGS, Example, Step, heading_examples, make_steps, pair_examples
from doyen.finetune.dataset import Dataset
from doyen.finetune.mining import mine
from doyen.finetune.registry import Adapter, Registry
from doyen.finetune.train import chunks_fingerprint, claim_run, retrieval_settings
from doyen.finetune.training_cost import already_trained, compared, training_estimate, training_takes
from doyen.retrieval.embedder import Embedder

FORMAT = 1
"""Raised when the same dataset and settings would give another embedder than before."""
BATCH = 16
"""Queries of a step, each of which is to find its piece among those of all."""
PASSAGES = 2
"""A third of the passages that are mined for a pair."""
VALIDATION_PAIRS = 100
FOUND_WITHIN = 3
"""Places within which a validation pair's piece counts as found."""
SHARES = (1.0, 0.5)
"""Of the way from the model before to the trained one: what is validated. Halfway forgets less."""


@dataclass(frozen=True)
class Found:
    """What an embedder finds for the validation pairs.

    Attributes:
        recall: share of pairs whose piece is among the first.
        reciprocal_rank: mean of 1/place, which tells models of the same recall.
    """

    recall: float
    reciprocal_rank: float

    @property
    def order(self) -> tuple[float, float]:
        """For comparison: the higher the better."""
        return self.recall, self.reciprocal_rank


def train_embedder(
    workspace: Workspace,
    store: Store,
    dataset: Dataset,
    retriever: Retriever,
    *,
    name: str,
    reporter: Reporter | None = None,
) -> Adapter:
    """Train the embedder that the settings name on a dataset's pairs and register it as the next version of ``name``.

    It learns from the pairs' questions with the pieces that answer them, from what retrieval finds besides, and from headings
    with what stands below them. A run with the same dataset, index and settings is not repeated; one that was interrupted goes
    on from its checkpoint. Whether it finds more for the validation pairs than the model before is in its manifest.

    Raises:
        Busy: another process writes to the workspace, or trains this embedder.
        InputError: there are too few pairs and headings, or the name is that of another kind of adapter.
        ModelMissing: the embedder is not there.
        StorageError: the disk is full.
    """
    reporter, started = reporter or Silent(), time.monotonic()
    with _prepared(workspace, store, dataset, retriever, name, reporter) as ready:
        if isinstance(ready, Adapter):
            return ready
        files, results = _fit(ready, workspace, reporter)
        results |= {**ready.counts, "seconds": round(time.monotonic() - started, 1)}
        about: dict[str, Any] = {"dataset_id": dataset.dataset_id, "base_model": ready.embedder.name}
        manifest = {**ready.manifest, "kind": EMBEDDER, **about, **results}
        adapter = Registry(workspace, store).register(name, files, manifest=manifest, **about)
        shutil.rmtree(ready.run)
    return adapter


def estimate_embedder(
    workspace: Workspace,
    store: Store,
    dataset: Dataset,
    retriever: Retriever,
    *,
    name: str,
    reporter: Reporter | None = None,
) -> Estimate:
    """Return what `train_embedder` would take, by a trial; it waits for that training, which is compared with it.

    Raises:
        InputError: it was trained already; else as `train_embedder`.
    """
    with _prepared(workspace, store, dataset, retriever, name, reporter or Silent()) as ready:
        if isinstance(ready, Adapter):
            raise already_trained(ready)
        estimate = _estimate(ready, name, workspace.settings.costs)
        save_estimate(ready.run, estimate)
    return estimate


@dataclass(frozen=True)
class _Ready:
    """A run that can begin, in the folder that is its own.

    Attributes:
        embedder: the one before, which is trained; its files are in ``base``.
        counts: of pairs and headings, for the manifest.
    """

    run: Path
    manifest: dict[str, Any]
    embedder: Embedder
    base: Path
    steps: list[Step]
    validation: list[Example]
    counts: dict[str, int]


@contextmanager
def _prepared(
    workspace: Workspace, store: Store, dataset: Dataset, retriever: Retriever, name: str, reporter: Reporter
) -> Iterator[_Ready | Adapter]:
    """Claim the run and make what it needs, or give the embedder that was already trained on it."""
    settings, registry = workspace.settings.finetune, Registry(workspace, store)
    with storage_errors("training an embedder"), ExitStack() as held:
        with workspace.lock(f"the preparation of embedder {name}"):
            manifest = _identity(workspace, store, dataset, settings)
            ready: _Ready | Adapter | None = registry.find(name, manifest["fingerprint"])
            if isinstance(ready, Adapter):
                reporter.say(f"embedder {ready.ref} was already trained on this")
            else:
                run = claim_run(workspace, registry, held, name, EMBEDDER, manifest["fingerprint"], dataset.dataset_id)
                sizes: dict[str, Any] = {"passages": PASSAGES, "reporter": reporter, "excluded": frozenset()}
                taken = dataset.training_pairs(settings.variant_share, settings.seed)
                pairs = pair_examples(mine(taken, retriever, store, **sizes))
                headings = heading_examples(store, max(FEWEST_HEADINGS, len(pairs)), settings.seed)
                validation = pair_examples(mine(dataset.validation[:VALIDATION_PAIRS], retriever, store, **sizes))
                steps = make_steps([*pairs, *headings], BATCH, settings.embedder_epochs, settings.seed)
                if not steps:
                    raise InputError("there is no pair with evidence and no heading to learn from: label pairs with evidence")
                folder, digest = resolve_embedder(workspace.settings.retrieval.embedder)
                embedder = Embedder(workspace.settings.retrieval.embedder, folder, digest, dtype="float32")
                counts = {"pairs": len(pairs), "headings": len(headings)}
                ready = _Ready(run, manifest, embedder, folder, steps, validation, counts)
        yield ready


def _fit(ready: _Ready, workspace: Workspace, reporter: Reporter) -> tuple[Path, dict[str, Any]]:
    """Train inside the run's folder and choose by the validation pairs; return the model's folder and what was measured."""
    from doyen.finetune.embedder_training import between, fit_embedder, save_embedder, weights_of
    from doyen.finetune.trainer import Schedule, steps_done

    settings, embedder, validation = workspace.settings.finetune, ready.embedder, ready.validation
    done, started = steps_done(ready.run), time.monotonic()
    base, before = weights_of(embedder), find_pieces(embedder, validation)
    schedule = Schedule(settings.embedder_learning_rate, settings.checkpoint_steps, settings.seed, 0.01)
    losses = fit_embedder(embedder, ready.steps, schedule, ready.run, reporter)
    tuned = weights_of(embedder)
    found: dict[float, Found] = {}
    for share in SHARES:
        embedder.network.load_state_dict(between(base, tuned, share))
        found[share] = find_pieces(embedder, validation)
    best = max(SHARES, key=lambda share: found[share].order)
    happened = _takes(ready, time.monotonic() - started, workspace.settings.costs)
    files = ready.run / "embedder"
    save_embedder(between(base, tuned, best), ready.base, files)
    better = bool(validation) and found[best].order > before.order
    said = f"of {len(validation)} validation pairs {found[best].recall:.3f} are found, {before.recall:.3f} by {embedder.name}"
    reporter.say(said if better else f"{said}: {embedder.name} stays the better one, and promoting this needs a reason")
    return files, {
        "steps": len(ready.steps),
        "losses": [round(loss, 4) for loss in losses],
        "share": best,
        "validation": {
            "n": len(validation),
            "recall": round(found[best].recall, 4),
            "base_recall": round(before.recall, 4),
            "reciprocal_rank": round(found[best].reciprocal_rank, 4),
            "base_reciprocal_rank": round(before.reciprocal_rank, 4),
            "better": better,
        },
        **compared(ready.run, happened, done),
    }


def _estimate(ready: _Ready, name: str, costs: CostSettings) -> Estimate:
    """Return what training and validation will take, by the pace of a few batches and by one validation."""
    from doyen.finetune.embedder_training import measure_embedder_pace, padded_tokens

    find_pieces(ready.embedder, ready.validation[:1])  # the first one takes longer than all others
    started = time.monotonic()
    find_pieces(ready.embedder, ready.validation)
    validating = (time.monotonic() - started) * (1 + len(SHARES))
    pace = measure_embedder_pace(ready.embedder, ready.steps)
    lengths = [padded_tokens(ready.embedder, step) for step in ready.steps]
    seconds = pace.seconds(lengths, len(ready.steps)) + validating
    return training_estimate(name, _takes(ready, seconds, costs), f"{pace.items} batches", costs)


def _takes(ready: _Ready, seconds: float, costs: CostSettings) -> Spent:
    from doyen.finetune.embedder_training import token_ids

    tokens = sum(len(ids) for step in ready.steps for batch in token_ids(ready.embedder, step) for ids in batch)
    return training_takes(ready.embedder.name, len(ready.steps), tokens, seconds, costs)


def find_pieces(embedder: Embedder, examples: Sequence[Example]) -> Found:
    """Return how well an embedder finds the examples' pieces among the pieces of all examples."""
    if not examples:
        return Found(0.0, 0.0)
    pieces = list(dict.fromkeys(piece for each in examples for piece in (each.positive, *each.negatives)))
    cosines = embedder.encode([each.query for each in examples], "query") @ embedder.encode(pieces).T
    places = []
    for row, example in zip(cosines, examples, strict=True):
        right = np.array([example.may_answer(piece) for piece in pieces])
        places.append(1 + int((row > row[right].max()).sum()))
    return Found(float(np.mean([place <= FOUND_WITHIN for place in places])), float(np.mean([1 / place for place in places])))


def _identity(workspace: Workspace, store: Store, dataset: Dataset, settings: FinetuneSettings) -> dict[str, Any]:
    """Return the manifest whose fingerprint names the run: all that its examples and weights depend on."""
    inputs = {
        "dataset": dataset.manifest["fingerprint"],
        "base": resolve_embedder(workspace.settings.retrieval.embedder)[1],
        "chunks": chunks_fingerprint(store),
        "format": FORMAT,
    }
    shaping = {
        "retrieval": retrieval_settings(workspace),
        **{name: getattr(settings, name) for name in ("embedder_epochs", "embedder_learning_rate")},
        **({"variant_share": settings.variant_share} if dataset.variants else {}),
    }
    return build_manifest("adapter", inputs=inputs, settings=shaping, seed=settings.seed)
