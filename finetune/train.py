"""Training an adapter, from a dataset to a registered version, as one sequence of steps."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, get_args

from sqlalchemy import select

from doyen.core.answers import Retriever
from doyen.core.costs import Estimate, Spent, load_estimate, save_estimate
from doyen.core.errors import InputError, StateError, storage_errors
from doyen.core.files import sha256_file, write_json_atomic
from doyen.core.manifest import build_manifest, fingerprint
from doyen.core.memory import peak_memory_mb
from doyen.core.models import GeneratorFiles, resolve_generator
from doyen.core.progress import Reporter, Silent
from doyen.core.records import Pair
from doyen.core.settings import CostSettings, FinetuneSettings
from doyen.core.store import Store
from doyen.core.store.schema import ChunkRow
from doyen.core.workspace import Workspace
from doyen.finetune.adapter_reference import measure_reference, write_reference
from doyen.finetune.dataset import Dataset
from doyen.finetune.dataset.replay import is_replayed
from doyen.finetune.forgetting import FORGETTING, describe_forgetting
from doyen.finetune.forgetting.general_pairs import (
    FISHER_FORMAT,
    GENERAL_PAIRS,
    REPLAY_FORMAT,
    general_rows,
    replay_rows,
    replayed_pairs,
)
from doyen.finetune.margins import MARGINS
from doyen.finetune.mining import MinedPair, mine
from doyen.finetune.packing import Row
from doyen.finetune.raft import Context, Kind, Shares, build_round, excluded_ids
from doyen.finetune.reading_adapter import find_reading_adapter
from doyen.finetune.registry import GENERATOR, WEIGHTS, Adapter, Registry
from doyen.finetune.training_cost import already_trained, compared, training_estimate, training_takes
from doyen.finetune.training_options import require_options, shaping_settings
from doyen.finetune.training_rows import Encoded, encode_contexts, epoch_batches, evidence_check, load_batches, save_batches
from doyen.retrieval.index_manifest import tuned_embedder_of

FORMAT = 3
"""Raised when the same dataset and settings would give other training examples than before."""


@dataclass
class Examples:
    """What a run trains and validates on.

    Attributes:
        batches: rows of each step.
        validation: rows of the validation pairs.
        counts: examples of each kind, rows, tokens.
    """

    batches: list[list[Row]]
    validation: list[Row]
    counts: dict[str, int]


@dataclass(frozen=True)
class Lesson:
    """What a training learns from.

    Attributes:
        name: of the adapter.
        title: as messages name it.
        dataset_id: empty where it is no dataset.
        manifest: what the run depends on; its fingerprint names it.
        start: PEFT folder whose adapter is trained further; None begins with a fresh one.
        make: makes the examples with a tokenizer; the second argument is whether they may share a prefix.
    """

    name: str
    title: str
    dataset_id: str
    manifest: dict[str, Any]
    start: Path | None
    make: Callable[[Any, bool], Examples]


MakeLesson: TypeAlias = Callable[[GeneratorFiles], Lesson]


def train_adapter(
    workspace: Workspace,
    store: Store,
    dataset: Dataset,
    retriever: Retriever,
    *,
    name: str,
    reporter: Reporter | None = None,
    settings: FinetuneSettings | None = None,
) -> Adapter:
    """Train a LoRA adapter on a dataset and register it as the next version of ``name``.

    It goes on from the general reading adapter of the base model, where there is one (``finetune.start_from``). A run with
    the same dataset, index, base and settings is not repeated: its adapter is returned. One that was interrupted goes on
    from its last checkpoint and ends with the weights that it would have had.

    Args:
        settings: in place of the workspace's own.

    Raises:
        Busy: another process writes to the workspace, or trains this adapter or the same run.
        InputError: the dataset is too small, no example fits ``max_tokens``, or the name is that of another kind of adapter.
        ModelMissing: the base model is not there.
        NotFoundError: the adapter to start from is not there.
        StateError: memory does not suffice.
        StorageError: the disk is full.
    """
    reporter = reporter or Silent()
    settings = settings or workspace.settings.finetune
    lesson = _lesson_on(workspace, store, dataset, retriever, name, settings, reporter)
    return run_training(workspace, Registry(workspace, store), name, GENERATOR, lesson, settings, reporter)


def estimate_adapter(
    workspace: Workspace,
    store: Store,
    dataset: Dataset,
    retriever: Retriever,
    *,
    name: str,
    reporter: Reporter | None = None,
    settings: FinetuneSettings | None = None,
) -> Estimate:
    """Return what `train_adapter` would take. The examples that are made for it are kept, and that training goes on from them.

    Raises:
        InputError: it was trained already; else as `train_adapter`.
    """
    reporter = reporter or Silent()
    settings = settings or workspace.settings.finetune
    lesson = _lesson_on(workspace, store, dataset, retriever, name, settings, reporter)
    return estimate_training(workspace, Registry(workspace, store), name, GENERATOR, lesson, settings, reporter)


def _lesson_on(
    workspace: Workspace,
    store: Store,
    dataset: Dataset,
    retriever: Retriever,
    name: str,
    settings: FinetuneSettings,
    reporter: Reporter,
) -> MakeLesson:
    registry = Registry(workspace, store)

    def lesson(base: GeneratorFiles) -> Lesson:
        start = find_reading_adapter(registry, lambda adapter: adapter.base_sha256 == base.sha256, settings.start_from)
        manifest = _identity(workspace, store, dataset, base, settings, start)

        def make(tokenizer: Any, share: bool) -> Examples:
            return _examples(dataset, retriever, store, tokenizer, share, settings, reporter)

        return Lesson(name, dataset.dataset_id, dataset.dataset_id, manifest, start.folder if start else None, make)

    return lesson


def run_training(
    workspace: Workspace,
    registry: Registry,
    name: str,
    kind: str,
    make_lesson: MakeLesson,
    settings: FinetuneSettings,
    reporter: Reporter,
) -> Adapter:
    """Train the adapter of a lesson on the workspace's base model, unless that was done, and register it."""
    started = time.monotonic()
    with _prepared(workspace, registry, name, kind, make_lesson, settings, reporter) as ready:
        if isinstance(ready, Adapter):
            return ready
        files, results = _fit(ready, settings, workspace, reporter)
        results["seconds"] = round(time.monotonic() - started, 1)
        about = {"dataset_id": ready.lesson.dataset_id, "base_model": ready.base.name}
        adapter = registry.register(name, files, manifest={**ready.lesson.manifest, **about, **results}, **about)
        shutil.rmtree(ready.run)
    return adapter


def estimate_training(
    workspace: Workspace,
    registry: Registry,
    name: str,
    kind: str,
    make_lesson: MakeLesson,
    settings: FinetuneSettings,
    reporter: Reporter,
) -> Estimate:
    """Return what `run_training` would take; it is kept in the run's folder with the examples, and compared afterwards.

    Raises:
        InputError: the adapter of the lesson was trained already.
    """
    from doyen.finetune.adapter_model import add_adapter
    from doyen.finetune.training_memory import require_memory

    with _prepared(workspace, registry, name, kind, make_lesson, settings, reporter) as ready:
        if isinstance(ready, Adapter):
            raise already_trained(ready)
        model = add_adapter(ready.model, settings, ready.lesson.start)
        require_memory(model, [row for batch in ready.examples.batches for row in batch], settings)
        return _estimate(ready, model, settings, workspace.settings.costs)


@dataclass(frozen=True)
class _Ready:
    """A run that can begin, in the folder that is its own."""

    run: Path
    lesson: Lesson
    base: GeneratorFiles
    model: Any
    tokenizer: Any
    examples: Examples


@contextmanager
def _prepared(
    workspace: Workspace,
    registry: Registry,
    name: str,
    kind: str,
    make_lesson: MakeLesson,
    settings: FinetuneSettings,
    reporter: Reporter,
) -> Iterator[_Ready | Adapter]:
    """Claim the run of a lesson and make what it needs, or give the adapter that was already trained on it."""
    require_options(settings, workspace.settings.serving.engine)
    base = resolve_generator(workspace.settings.serving.model)
    with storage_errors("training an adapter"), _memory_errors(settings), ExitStack() as held:
        # Nobody may write while the examples are made; training itself rests on files of its own.
        with workspace.lock(f"the preparation of adapter {name}"):
            lesson = make_lesson(base)
            ready: _Ready | Adapter | None = registry.find(name, lesson.manifest["fingerprint"])
            if isinstance(ready, Adapter):
                reporter.say(f"adapter {ready.ref} was already trained on this")
            else:
                run = claim_run(workspace, registry, held, name, kind, lesson.manifest["fingerprint"], lesson.title)
                ready = _Ready(run, lesson, base, *_prepare(run, lesson, base, settings, reporter))
        yield ready


def claim_run(
    workspace: Workspace, registry: Registry, held: ExitStack, name: str, kind: str, manifest_fingerprint: str, title: str
) -> Path:
    """Return the folder of a run, which is this process's own, as the adapter's name is, until ``held`` is closed.

    Raises:
        Busy: another process trains this adapter, or the same run.
        InputError: the name is that of another kind of adapter.
    """
    run = workspace.runs_folder / manifest_fingerprint[:16]
    for key in (f"adapter {name}", run.name):
        held.enter_context(workspace.training_lock(key, f"training {name} on {title}"))
    registry.require_kind(name, kind)
    run.mkdir(parents=True, exist_ok=True)
    return run


def _prepare(
    run: Path, lesson: Lesson, base: GeneratorFiles, settings: FinetuneSettings, reporter: Reporter
) -> tuple[Any, Any, Examples]:
    """Load the base model and its tokenizer; make the run's examples, or read them where an interrupted run has left them."""
    from doyen.finetune.adapter_model import load_base
    from doyen.finetune.loss import can_share_prefix

    reporter.say(f"loading {base.name}")
    model, tokenizer = load_base(base.folder, settings.dtype, quantised=settings.quantised_base)
    train_file, validation_file, counts_file = run / "train.jsonl", run / "validation.jsonl", run / "counts.json"
    if not counts_file.is_file():
        made = lesson.make(tokenizer, can_share_prefix(model.config))
        save_batches(train_file, made.batches)
        save_batches(validation_file, [made.validation])
        write_json_atomic(counts_file, made.counts)
    counts = json.loads(counts_file.read_text(encoding="utf-8"))
    examples = Examples(load_batches(train_file), load_batches(validation_file)[0], counts)
    reporter.say(_summary(examples))
    return model, tokenizer, examples


def _fit(ready: _Ready, settings: FinetuneSettings, workspace: Workspace, reporter: Reporter) -> tuple[Path, dict[str, Any]]:
    """Train inside the run's folder; return the PEFT folder and what was measured."""
    from doyen.finetune.adapter_model import add_adapter
    from doyen.finetune.forgetting.forgetting_card import forgetting_of, probe_before
    from doyen.finetune.forgetting.forgetting_probe import probe_model
    from doyen.finetune.loss import mean_loss
    from doyen.finetune.trainer import fit, steps_done
    from doyen.finetune.training_log import TRAINING_LOG
    from doyen.finetune.training_memory import require_memory

    run, examples, costs = ready.run, ready.examples, workspace.settings.costs
    model, tokenizer = add_adapter(ready.model, settings, ready.lesson.start), ready.tokenizer
    require_memory(model, [row for batch in examples.batches for row in batch], settings)
    if settings.patience and not examples.validation:
        reporter.say("there are no validation pairs, so that patience has no effect: all epochs are trained")
    probed = settings.forgetting_probe
    knew = probe_before(model, tokenizer, ready.base, ready.lesson.start, settings.dtype, reporter) if probed else None
    penalty = _penalty(ready, model, settings, reporter)
    estimate = load_estimate(run) or _estimate(ready, model, settings, costs)
    reporter.say(f"{estimate.describe()}; losses go to {run / TRAINING_LOG}")
    before, started = steps_done(run), time.monotonic()
    tracked = workspace.state / "tensorboard" / run.name
    fitted = fit(model, examples.batches, examples.validation, settings, run, reporter, penalty=penalty, tracked=tracked)
    validation_loss = mean_loss(model, examples.validation)
    spent = time.monotonic() - started
    files = run / "adapter"
    model.save_pretrained(files, safe_serialization=True)
    (files / "README.md").unlink(missing_ok=True)
    shutil.copy(run / TRAINING_LOG, files / TRAINING_LOG)
    if not settings.quantised_base:  # which answers otherwise than what is served
        write_reference(files, measure_reference(model, tokenizer))
    if ready.lesson.dataset_id:
        shutil.copy(run / MARGINS, files)
    happened = replace(_takes(ready, spent, costs), units=len(fitted.losses))
    results: dict[str, Any] = {
        "examples": examples.counts,
        "losses": [round(loss, 4) for loss in fitted.losses],
        "validation_loss": None if math.isnan(validation_loss) else round(validation_loss, 4),
        "peak_memory_mb": round(peak_memory_mb()),
        **compared(run, happened, before),
    }
    if fitted.best_step is not None:
        results["validations"] = [[step, round(loss, 4)] for step, loss in fitted.validations]
        results["best_step"] = fitted.best_step
    if knew:
        results[FORGETTING] = forgetting_of(knew, probe_model(model, tokenizer))
        reporter.say(describe_forgetting(results[FORGETTING]))
    return files, results


def _penalty(ready: _Ready, model: Any, settings: FinetuneSettings, reporter: Reporter) -> Any:
    """Return the penalty of ``finetune.ewc`` on changes of the adapter as it is now; None where it is 0."""
    if not settings.ewc:
        return None
    from doyen.finetune.adapter_model import lora_layers
    from doyen.finetune.forgetting.fisher import fisher_of
    from doyen.finetune.forgetting.product_penalty import ProductPenalty

    layers = {name: layer.get_base_layer() for name, layer in lora_layers(model)}
    with model.disable_adapter():
        fisher = fisher_of(ready.base.sha256, model, ready.tokenizer, layers, reporter)
    return ProductPenalty(model, fisher, settings.ewc)


def _estimate(ready: _Ready, model: Any, settings: FinetuneSettings, costs: CostSettings) -> Estimate:
    """Return what training and validation will take, by the pace at which a few rows are trained on; it waits in the run."""
    from doyen.finetune.trainer import measure_adapter_pace

    rows = [row for batch in ready.examples.batches for row in batch]
    pace = measure_adapter_pace(model, rows, settings)
    steps = len(ready.examples.batches)
    validations = 1 + (math.ceil(steps / settings.evaluation_steps) if settings.patience else 0)
    validating = validations * pace.validation_seconds(row.length for row in ready.examples.validation)
    seconds = pace.seconds((row.length for row in rows), steps) + validating
    estimate = training_estimate(ready.lesson.name, _takes(ready, seconds, costs), f"{pace.items} rows", costs)
    save_estimate(ready.run, estimate)
    return estimate


def _takes(ready: _Ready, seconds: float, costs: CostSettings) -> Spent:
    """Return what the whole run takes, where it takes that long."""
    return training_takes(ready.base.name, len(ready.examples.batches), ready.examples.counts["tokens"], seconds, costs)


def retrieval_settings(workspace: Workspace) -> dict[str, Any]:
    """Return the settings that shape what retrieval finds; choices are named where they are not the default.

    A trained embedder is one that the index is made with.
    """
    settings = workspace.settings.retrieval
    usual = {name for name in ("retriever", "reranker") if name not in settings.model_dump(exclude_defaults=True)}
    tuned = tuned_embedder_of(workspace.index_folder)
    shown = settings.model_dump(mode="json", exclude={"chroma_url", "embedder_dtype", *usual})
    return {**shown, "tuned": tuned} if tuned else shown


def chunks_fingerprint(store: Store) -> str:
    """Return a fingerprint of all chunks that training can find."""
    with store.session() as session:
        return fingerprint(list(session.scalars(select(ChunkRow.chunk_id).order_by(ChunkRow.chunk_id)).all()))


def _identity(
    workspace: Workspace,
    store: Store,
    dataset: Dataset,
    base: GeneratorFiles,
    settings: FinetuneSettings,
    start: Adapter | None,
) -> dict[str, Any]:
    """Return the manifest whose fingerprint names the run: all that its examples and weights depend on."""
    inputs = {
        "dataset": dataset.manifest["fingerprint"],
        "base": base.sha256,
        "start": sha256_file(start.folder / WEIGHTS) if start else None,
        "chunks": chunks_fingerprint(store),
        "format": FORMAT,
        **_general_inputs(dataset, settings),
    }
    shaping = shaping_settings(settings, frozenset() if dataset.variants else frozenset({"variant_share"}))
    shaping["retrieval"] = retrieval_settings(workspace)
    manifest = build_manifest("adapter", inputs=inputs, settings=shaping, seed=settings.seed)
    return {**manifest, "parent": start.ref if start else None}


def _general_inputs(dataset: Dataset, settings: FinetuneSettings) -> dict[str, Any]:
    """Return what the manifest says of general pairs, where a training depends on any."""
    inputs: dict[str, Any] = {}
    if settings.replay or any(map(is_replayed, dataset.train)):
        inputs["replay"] = fingerprint([REPLAY_FORMAT, *(pair.model_dump() for pair in replayed_pairs(settings.replay))])
    if settings.ewc:
        inputs["fisher"] = fingerprint([FISHER_FORMAT, GENERAL_PAIRS.read_text(encoding="utf-8")])
    return inputs


def _examples(
    dataset: Dataset,
    retriever: Retriever,
    store: Store,
    tokenizer: Any,
    share: bool,
    settings: FinetuneSettings,
    reporter: Reporter,
) -> Examples:
    """Make the examples of a dataset with what our own retriever finds."""
    taken = dataset.train if settings.variant_share else dataset.training_pairs(0, settings.seed)
    train = _mine([pair for pair in taken if not is_replayed(pair)], retriever, store, settings, reporter)
    batches, counts = _train_batches(train, tokenizer, share, settings, dataset)
    validation = _mine(dataset.validation, retriever, store, settings, reporter)
    return Examples(batches, _validation_rows(validation, tokenizer, share, settings), counts)


def _mine(
    pairs: list[Pair], retriever: Retriever, store: Store, settings: FinetuneSettings, reporter: Reporter
) -> list[MinedPair]:
    refuses = Shares.of(settings.raft_shares).missing > 0
    ids = [pair.id for pair in pairs if pair.answerable and pair.source] if refuses else []
    excluded = excluded_ids(ids, settings.seed)
    return mine(pairs, retriever, store, passages=settings.context_passages, reporter=reporter, excluded=excluded)


def _train_batches(
    mined: list[MinedPair], tokenizer: Any, share: bool, settings: FinetuneSettings, dataset: Dataset
) -> tuple[list[list[Row]], dict[str, int]]:
    shares = Shares.of(settings.raft_shares)
    passes: list[list[Row]] = []
    kinds: Counter[str] = Counter()
    general = replayed_pairs(settings.replay)
    own = general_rows(tokenizer, [pair for pair in dataset.train if is_replayed(pair)], settings.max_tokens)
    too_long = 0
    for number in range(math.ceil(settings.epochs)):
        drawn = {pair.id for pair in dataset.training_pairs(settings.variant_share, settings.seed, number)}
        taken = [item for item in mined if item.pair.id in drawn]
        contexts = build_round(taken, passages=settings.context_passages, shares=shares, seed=settings.seed, number=number)
        encoded = _encode(tokenizer, contexts, mined, share, settings)
        asked = encoded.kinds.total()
        replayed = [*own, *replay_rows(tokenizer, general, settings, asked, number)]
        passes.append([*encoded.rows, *replayed])
        kinds.update(encoded.kinds + Counter(replay=len(replayed)))
        too_long += encoded.too_long
    batches = epoch_batches(passes, settings.epochs, settings.batch_size, settings.seed)
    if not batches:
        raise InputError(
            f"no training example could be made of {len(mined)} pairs ({too_long} do not fit finetune.max_tokens = "
            f"{settings.max_tokens}): label more pairs, or raise max_tokens"
        )
    without_gold = sum(item.pair.answerable and not item.has_gold for item in mined)
    return batches, {**kinds, "too_long": too_long, "without_gold": without_gold, **counts_of(batches)}


def counts_of(batches: list[list[Row]]) -> dict[str, int]:
    """Return how many steps, rows and tokens there are, and how many tokens it were without shared prefixes."""
    rows = [row for batch in batches for row in batch]
    return {
        "steps": len(batches),
        "rows": len(rows),
        "tokens": sum(row.length for row in rows),
        "separate_tokens": sum(len(row.branches) * len(row.prefix) + row.length - len(row.prefix) for row in rows),
    }


def _validation_rows(mined: list[MinedPair], tokenizer: Any, share: bool, settings: FinetuneSettings) -> list[Row]:
    contexts = build_round(mined, passages=settings.context_passages, shares=Shares(0.0, 0.0), seed=settings.seed, number=-1)
    return _encode(tokenizer, contexts, mined, share, settings).rows


def _encode(
    tokenizer: Any, contexts: list[Context], mined: list[MinedPair], share: bool, settings: FinetuneSettings
) -> Encoded:
    return encode_contexts(
        tokenizer,
        contexts,
        evidence_check(mined),
        max_tokens=settings.max_tokens,
        max_branches=2 * settings.batch_size,
        share=share,
    )


def _summary(examples: Examples) -> str:
    counts = examples.counts
    kinds = ", ".join(f"{counts[kind]} {kind}" for kind in (*get_args(Kind), "replay") if counts.get(kind))
    saved = counts["separate_tokens"] / counts["tokens"]
    return (
        f"{kinds} examples in {counts['steps']} steps; {counts['tokens']:,} tokens "
        f"(sharing contexts saves a factor of {saved:.1f})"
    )


@contextmanager
def _memory_errors(settings: FinetuneSettings) -> Iterator[None]:
    """Turn the several ways in which memory runs out into one error with the remedy."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # PyTorch reports a failed allocation on a processor as a plain RuntimeError.
        texts = ("allocate memory", "not enough memory", "out of memory")
        if isinstance(error, RuntimeError) and not any(text in str(error) for text in texts):
            raise
        raise StateError(
            f"memory does not suffice for training with finetune.max_tokens = {settings.max_tokens} and batch_size = "
            f"{settings.batch_size}: lower them or context_passages, or take a smaller serving.model; "
            "the same command goes on from the last checkpoint"
        ) from error
