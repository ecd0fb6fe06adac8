"""Training a head on a project's labels, from labels to a registered version, as one sequence of steps."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from doyen.annotation import get_project, labelled_texts, task_texts
from doyen.annotation.store import task_type_of
from doyen.annotation.types.typed_labels import Label
from doyen.core.errors import InputError, storage_errors
from doyen.core.files import sha256_file, write_json_atomic
from doyen.core.manifest import build_manifest, fingerprint
from doyen.core.progress import Reporter, Silent
from doyen.core.settings import Settings
from doyen.core.store import Store
from doyen.core.text import normalise
from doyen.core.workspace import Workspace
from doyen.finetune.heads.head_config import HeadConfig, HeadType, head_type, options_of
from doyen.finetune.heads.head_examples import Item, gather_items, make_examples, read_soft_labels
from doyen.finetune.heads.head_split import Parts, near_groups, split_items
from doyen.finetune.heads.majority import majority_labels
from doyen.finetune.registry import CLASSIFIER, TOKEN_CLASSIFIER, Adapter, Registry
from doyen.finetune.train import claim_run

if TYPE_CHECKING:  # they import PyTorch
    from doyen.finetune.heads.head import Head
    from doyen.finetune.heads.head_network import Base

FORMAT = 1
"""Raised when the same labels and settings would give another head than before."""
PARTS = "parts.json"
"""Hashes of the texts that a head has learned from, and of those set aside, beside its weights."""
FEWEST = 20
"""Labelled decisions below which probabilities are not calibrated."""
CHECKPOINT_EVERY = 8
"""Times ``finetune.checkpoint_steps``: a head's steps are short, and its checkpoints hold the whole encoder."""

Measure = Callable[[HeadType, Sequence[Label], Sequence[Label], Sequence[str]], dict[str, Any]]
"""Figures of predicted labels against true ones, given which document or group each is of (``eval.head_scores``)."""


@dataclass(frozen=True)
class _Task:
    """What is to be learned."""

    project: str
    kind: HeadType
    options: tuple[str, ...]
    parts: Parts
    problems: list[str]


def train_head(
    workspace: Workspace,
    store: Store,
    project: str,
    *,
    name: str,
    measure: Measure,
    soft: Path | None = None,
    reporter: Reporter | None = None,
) -> Adapter:
    """Train a head on the labels of a project and register it as the next version of ``name``.

    A tenth of the labelled texts calibrates its probabilities, and a fifth measures it: whole documents, groups and
    near-duplicates, which training does not see. A run with the same labels and settings is not repeated; one that was
    interrupted goes on from its checkpoint.

    Args:
        measure: gives the figures that the manifest holds.
        soft: a soft_labels.jsonl of `doyen label weak`, whose texts are learned from by their probabilities.

    Raises:
        Busy: another process trains this head.
        NotFoundError: there is no such project.
        InputError: its labels are none that a head learns, are too few, overlap, or hang together, the file of soft labels
            cannot be used, or the name is that of another kind of adapter.
        ModelMissing: the base is not there.
        StorageError: the disk is full.
    """
    reporter, settings = reporter or Silent(), workspace.settings
    registry, started = Registry(workspace, store), time.monotonic()
    from doyen.finetune.heads.head_network import find_base

    with storage_errors("training a head"), ExitStack() as held:
        task = _read_task(store, project, soft)
        base = find_base(settings.finetune.head_base, base_name(settings))
        manifest = _identity(task, base, settings, soft)
        if existing := registry.find(name, manifest["fingerprint"]):
            reporter.say(f"head {existing.ref} was already trained on this")
            return existing
        for problem in task.problems:
            reporter.say(problem)
        kind = TOKEN_CLASSIFIER if task.kind.of_words else CLASSIFIER
        run = claim_run(workspace, registry, held, name, kind, manifest["fingerprint"], f"project {project}")
        files, results = _fit(run, task, base, settings, measure, reporter)
        results["seconds"] = round(time.monotonic() - started, 1)
        manifest |= {"kind": kind, "head": task.kind, "project": project, "base_model": base.name, **results}
        adapter = registry.register(name, files, base_model=base.name, dataset_id="", manifest=manifest)
        shutil.rmtree(run)
    return adapter


def base_name(settings: Settings) -> str:
    """Return the model that heads are trained on."""
    return settings.retrieval.embedder if settings.finetune.head_base == "embedder" else settings.serving.model


def _read_task(store: Store, project: str, soft: Path | None) -> _Task:
    """Read the labels of a project, and part them."""
    description = task_type_of(get_project(store, project)).description
    kind, options, problems = head_type(description), options_of(description), list[str]()
    items = gather_items(labelled_texts(store, project, problems=problems))
    if soft is not None:
        known = {normalise(item.text) for item in items}
        meta = {task.item_id: task.meta for task in task_texts(store, project)}
        unlabelled = {normalise(each.text): each for each in read_soft_labels(soft, meta, options)}
        items += [each for text, each in unlabelled.items() if text not in known]
    if not any(item.labels for item in items):
        raise InputError(
            f"nobody has labelled texts of project {project!r}: pull labels with `doyen annotate pull --project {project}`"
        )
    return _Task(project, kind, options, split_items(items, near_groups(store)), problems)


def _fit(
    run: Path, task: _Task, base: Base, settings: Settings, measure: Measure, reporter: Reporter
) -> tuple[Path, dict[str, Any]]:
    """Train inside the run's folder, calibrate and measure; return the head's folder and what was measured."""
    from doyen.finetune.heads.head import Head, require_effect
    from doyen.finetune.heads.head_network import LoraShape, make_network, window_of
    from doyen.finetune.heads.head_training import fit_head, make_lesson
    from doyen.finetune.trainer import Schedule

    finetune, parts = settings.finetune, task.parts
    train, held = (make_examples(task.kind, items, task.options) for items in (parts.train, [*parts.validation, *parts.test]))
    shape = LoraShape(finetune.rank, finetune.alpha, finetune.dropout)
    network, tokenizer = make_network(base, len(task.options), shape, finetune.seed)
    window = window_of(network, tokenizer)
    lesson = make_lesson(task.kind, train, tokenizer, window)
    if not lesson.rows or not any(np.nan_to_num(example.target).any() for example in train):
        raise InputError(f"there is nothing to learn from in {len(train)} texts of project {task.project!r}: label more")
    every = finetune.checkpoint_steps * CHECKPOINT_EVERY
    schedule = Schedule(finetune.head_learning_rate, every, finetune.seed, 0.01)
    losses = fit_head(network, lesson, finetune.head_epochs, finetune.batch_size * 2, schedule, run, reporter)
    config = HeadConfig(task.kind, task.options, base.name, base.sha256, window)
    head = Head(config, network, tokenizer)
    config = replace(config, temperature=_calibrated(head, held[: len(parts.validation)]), probe=head.probe())
    require_effect(config.probe)
    files = run / "head"
    network.save(files)
    config.write(files)
    write_json_atomic(files / PARTS, {"project": task.project, **parts.hashes()})
    head.config = config
    return files, {
        "texts": {"train": len(parts.train), "validation": len(parts.validation), "test": len(parts.test)},
        "soft": sum(not item.labels for item in parts.train),
        "steps": len(losses),
        "losses": [round(loss, 4) for loss in losses],
        "temperature": round(config.temperature, 4),
        **_measured(head, task, measure),
    }


def _calibrated(head: Head, examples: Sequence[Any]) -> float:
    import torch

    from doyen.finetune.heads.head_training import fit_temperature

    logits = head.logits([each.text for each in examples], [each.words for each in examples]) if examples else []
    if sum(map(len, logits)) < FEWEST:
        return 1.0
    kind = head.config.type
    targets = [each.target if kind.of_words else each.target[None] for each in examples]
    return fit_temperature(kind, *(torch.cat([torch.from_numpy(own) for own in part]) for part in (logits, targets)))


def _measured(head: Head, task: _Task, measure: Measure) -> dict[str, Any]:
    kind, parts = task.kind, task.parts
    true = [item.gold for item in parts.test if item.gold is not None]
    trained = [item.gold for item in parts.train if item.gold is not None]
    majority = measure(kind, majority_labels(kind, trained, true), true, parts.clusters)
    test = measure(kind, predict(head, parts.test), true, parts.clusters)
    return {"test": test, "majority": {test["metric"]: majority[test["metric"]], "macro_f1": majority["macro_f1"]}}


def predict(head: Head, items: Sequence[Item]) -> list[Label]:
    """Return what a head says of labelled texts; of tags about the tokens that people marked."""
    from doyen.finetune.heads.head_labels import label_of

    words = None
    if head.config.type == HeadType.POS:
        words = [tuple((token.start, token.end) for token in item.gold.stretches()) if item.gold else () for item in items]
    return [label_of(head.config, scored)[0] for scored in head.score([item.text for item in items], words)]


def _identity(task: _Task, base: Base, settings: Settings, soft: Path | None) -> dict[str, Any]:
    """Return the manifest whose fingerprint names the run: all that its examples and weights depend on."""
    parts = task.parts
    told = [[part, _described(items)] for part, items in (("train", parts.train), ("held", [*parts.validation, *parts.test]))]
    inputs = {
        "labels": fingerprint(told),
        "options": list(task.options),
        "base": base.sha256,
        "soft": sha256_file(soft) if soft else None,
        "format": FORMAT,
    }
    names = ("head_base", "head_epochs", "head_learning_rate", "rank", "alpha", "dropout", "batch_size")
    shaping = {"project": task.project, "head": task.kind, **{name: getattr(settings.finetune, name) for name in names}}
    return build_manifest("adapter", inputs=inputs, settings=shaping, seed=settings.finetune.seed)


def _described(items: Sequence[Item]) -> list[Any]:
    return [
        [item.text, [label.to_json() for label in item.labels], sorted(map(str, (item.soft or {}).items()))] for item in items
    ]
