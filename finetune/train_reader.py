"""Training a reader on a workspace's labelled pairs, from a dataset to a registered version, as one sequence of steps."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doyen.core.answers import Passage, Retriever
from doyen.core.costs import Estimate, Spent, save_estimate
from doyen.core.errors import InputError, storage_errors
from doyen.core.files import sha256_file
from doyen.core.manifest import build_manifest
from doyen.core.progress import Reporter, Silent
from doyen.core.quantities import Stated
from doyen.core.settings import CostSettings, FinetuneSettings
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.finetune.dataset import Dataset
from doyen.finetune.general_reading import Paragraph, hold_out, read_paragraphs, replayed_examples
from doyen.finetune.gold_passages import holds_evidence
from doyen.finetune.mining import DEPTH, MinedPair, mine
from doyen.finetune.reader_examples import is_answered, question_of, reading_examples
from doyen.finetune.reader_fit import Case, fit_probability, fit_ranking, fit_span_probability, read_cases, span_f1
from doyen.finetune.registry import READER, Adapter, Registry
from doyen.finetune.swapped_questions import swap_value, values_of
from doyen.finetune.train import chunks_fingerprint, claim_run, retrieval_settings
from doyen.finetune.training_cost import already_trained, compared, training_estimate, training_takes
from doyen.retrieval.reading.calibration import Calibration
from doyen.retrieval.reading.reader_files import CONFIG, GENERAL_READER, WEIGHTS

if TYPE_CHECKING:  # they import PyTorch
    from doyen.finetune.reader_training import ReadingRow
    from doyen.finetune.rewording import Rewording
    from doyen.retrieval.reading.reader_network import ReaderConfig, ReaderNetwork

FORMAT = 9
"""Raised when the same dataset and settings would give another reader than before."""
FIRST_TRAINED_LAYER = 1
"""Layers below stay those of the general reader, so that steps are faster."""
REPLAYED = 0.25
"""Share of an epoch's examples that are general ones, where there are some."""
PROBED_CASES = 6
"""Cases that are read to estimate how long all of them take."""


def train_reader(
    workspace: Workspace,
    store: Store,
    dataset: Dataset,
    retriever: Retriever,
    *,
    name: str,
    replay: Path | None = None,
    reporter: Reporter | None = None,
) -> Adapter:
    """Train the general reader further on a dataset's pairs and register it as the next version of ``name``.

    A run with the same dataset, index and settings is not repeated; one that was interrupted goes on from its checkpoint.

    Args:
        replay: a file that `read_paragraphs` reads; `REPLAYED` of each epoch's examples are drawn from it.

    Raises:
        Busy: another process writes to the workspace, or trains this reader.
        InputError: no pair has evidence that retrieval finds, the name is that of a generator's adapter, or the file to replay
            cannot be read.
        ModelMissing: the packaged encoder or the general reader is not there.
        StorageError: the disk is full.
    """
    reporter, started = reporter or Silent(), time.monotonic()
    with _prepared(workspace, store, dataset, retriever, name, replay, reporter) as ready:
        if isinstance(ready, Adapter):
            return ready
        files, results = _fit(ready, workspace, reporter)
        results["seconds"] = round(time.monotonic() - started, 1)
        about: dict[str, Any] = {"dataset_id": dataset.dataset_id, "base_model": ready.manifest["parent"]}
        manifest = {**ready.manifest, "kind": READER, **about, **results}
        adapter = Registry(workspace, store).register(name, files, manifest=manifest, **about)
        shutil.rmtree(ready.run)
    return adapter


def estimate_reader(
    workspace: Workspace,
    store: Store,
    dataset: Dataset,
    retriever: Retriever,
    *,
    name: str,
    replay: Path | None = None,
    reporter: Reporter | None = None,
) -> Estimate:
    """Return what `train_reader` would take, by a trial; it waits for that training, which is compared with it.

    Raises:
        InputError: it was trained already; else as `train_reader`.
    """
    with _prepared(workspace, store, dataset, retriever, name, replay, reporter or Silent()) as ready:
        if isinstance(ready, Adapter):
            raise already_trained(ready)
        estimate = _estimate(ready, name, workspace.settings.costs)
        save_estimate(ready.run, estimate)
    return estimate


@dataclass(frozen=True)
class _Ready:
    """A run that can begin, in the folder that is its own.

    Attributes:
        network, config: the general reader, from which it starts.
        steps: batches of the rows of all epochs.
        cases: of the validation pairs.
    """

    run: Path
    manifest: dict[str, Any]
    network: ReaderNetwork
    config: ReaderConfig
    steps: list[list[ReadingRow]]
    cases: list[Case]


@contextmanager
def _prepared(
    workspace: Workspace,
    store: Store,
    dataset: Dataset,
    retriever: Retriever,
    name: str,
    replay: Path | None,
    reporter: Reporter,
) -> Iterator[_Ready | Adapter]:
    """Claim the run and make what it needs, or give the reader that was already trained on it."""
    from doyen.retrieval.reading.reader_network import load_network

    settings, registry = workspace.settings.finetune, Registry(workspace, store)
    general = hold_out(read_paragraphs(replay), settings.seed)[0] if replay else []
    with storage_errors("training a reader"), ExitStack() as held:
        with workspace.lock(f"the preparation of reader {name}"):
            manifest = _identity(workspace, store, dataset, settings, replay)
            ready: _Ready | Adapter | None = registry.find(name, manifest["fingerprint"])
            if isinstance(ready, Adapter):
                reporter.say(f"reader {ready.ref} was already trained on this")
            else:
                run = claim_run(workspace, registry, held, name, READER, manifest["fingerprint"], dataset.dataset_id)
                train, cases = _mine(workspace, store, dataset, retriever, reporter)
                network, tokenizer, config = load_network(GENERAL_READER)
                ready = _Ready(run, manifest, network, config, _make_steps(tokenizer, train, general, settings), cases)
        yield ready


def _mine(
    workspace: Workspace, store: Store, dataset: Dataset, retriever: Retriever, reporter: Reporter
) -> tuple[list[MinedPair], list[Case]]:
    """Return the training pairs with what retrieval finds for them, and the cases of the validation pairs."""
    settings, read = workspace.settings.finetune, workspace.settings.serving.read_passages
    sizes: dict[str, Any] = {"passages": -(-read // DEPTH), "without": read, "reporter": reporter}
    taken = dataset.training_pairs(settings.variant_share, settings.seed)
    train = mine(taken, retriever, store, excluded=frozenset(), **sizes)
    reworded = load_rewording().pairs(dataset.validation, settings.seed)
    excluded = frozenset(pair.id for pair in dataset.validation)
    return train, cases_of(mine(reworded, retriever, store, excluded=excluded, **sizes), retriever, read, settings.seed)


def _make_steps(
    tokenizer: Any, train: Sequence[MinedPair], general: Sequence[Paragraph], settings: FinetuneSettings
) -> list[list[ReadingRow]]:
    from doyen.finetune.reader_training import make_batches, make_rows

    steps = []
    for number in range(settings.reader_epochs):
        examples = reading_examples(train, settings.seed, number)
        replayed = round(len(examples) * REPLAYED / (1 - REPLAYED))
        examples += replayed_examples(general, replayed, settings.seed, number)
        steps += make_batches(make_rows(tokenizer, examples), f"{settings.seed}/{number}")
    if not steps:
        raise InputError(f"none of {len(train)} pairs has a passage to learn from: label pairs with evidence")
    return steps


def _fit(ready: _Ready, workspace: Workspace, reporter: Reporter) -> tuple[Path, dict[str, Any]]:
    """Train inside the run's folder, then fit ranking and probability to cases of other pairs; return the reader's folder."""
    from doyen.finetune.reader_training import fit_reader
    from doyen.finetune.trainer import Schedule, steps_done
    from doyen.retrieval.reading.reader import Reader
    from doyen.retrieval.reading.reader_network import save_network

    settings, serving = workspace.settings.finetune, workspace.settings.serving
    network, config = ready.network, ready.config
    schedule = Schedule(settings.reader_learning_rate, settings.checkpoint_steps, settings.seed, 0.01)
    before, started = steps_done(ready.run), time.monotonic()
    losses = fit_reader(network, ready.steps, schedule, ready.run, reporter, first_layer=FIRST_TRAINED_LAYER)
    files = ready.run / "reader"
    files.mkdir(exist_ok=True)
    save_network(network, config, files)
    read = read_cases(Reader(files), ready.cases)
    ranking = fit_ranking(read, serving.context_passages, config.ranking)
    calibration = fit_probability(read, config.calibration)
    tell_if_all_is_refused(calibration, serving.risk, reporter)
    spans = fit_span_probability(read, ranking, config.span_calibration)
    happened = _takes(ready, time.monotonic() - started, workspace.settings.costs)
    save_network(network, replace(config, ranking=ranking, calibration=calibration, span_calibration=spans), files)
    answered = [span_f1(item, ranking) for item in read if item.case.answers]
    tell_if_not_measured(answered, reporter)
    results = {
        "examples": sum(len(step) for step in ready.steps),
        "steps": len(ready.steps),
        "losses": [round(loss, 4) for loss in losses],
        "validation": {"n": len(answered), "span_f1": round(sum(answered) / len(answered), 4) if answered else None},
        "reranks": ranking.reranks,
        **compared(ready.run, happened, before),
    }
    return files, results


def _estimate(ready: _Ready, name: str, costs: CostSettings) -> Estimate:
    """Return what training, and reading the cases, will take, by the pace of a few batches and cases."""
    from doyen.finetune.reader_training import measure_reader_pace, padded_tokens
    from doyen.retrieval.reading.reader import Reader

    pace = measure_reader_pace(ready.network, ready.steps, first_layer=FIRST_TRAINED_LAYER)
    reader = Reader(GENERAL_READER)
    chosen = ready.cases[:: max(1, len(ready.cases) // PROBED_CASES)][:PROBED_CASES]
    read_cases(reader, chosen[:1])  # the first one takes longer than all others
    started = time.monotonic()
    read_cases(reader, chosen)
    reading = (time.monotonic() - started) * len(ready.cases) / max(1, len(chosen))
    seconds = pace.seconds(map(padded_tokens, ready.steps), len(ready.steps)) + reading
    return training_estimate(name, _takes(ready, seconds, costs), f"{pace.items} batches", costs)


def _takes(ready: _Ready, seconds: float, costs: CostSettings) -> Spent:
    tokens = sum(len(row.window.ids) for step in ready.steps for row in step)
    return training_takes(ready.manifest["parent"], len(ready.steps), tokens, seconds, costs)


def tell_if_not_measured(scores: Sequence[float], reporter: Reporter) -> None:
    """Say so where no validation pair tells what a reader is worth: without a promoted one the newest is used at once."""
    if not scores:
        reporter.say(
            "no validation pair tells how good this reader is, and without a promoted one it is used: label more pairs, "
            'or set serving.reader = "general"'
        )


def tell_if_all_is_refused(calibration: Calibration, risk: float, reporter: Reporter) -> None:
    """Say so where no probability is high enough for the risk: such a reader would refuse every question."""
    if calibration.threshold(risk) >= 1:
        reporter.say(f"with serving.risk = {risk:g} this reader refuses every question: raise it, or label more pairs")


def load_rewording() -> Rewording:
    """Return a rewording with the vocabulary of the general reader's encoder."""
    from doyen.finetune.rewording import Rewording
    from doyen.retrieval.reading.reader_network import load_network

    network, tokenizer, _ = load_network(GENERAL_READER)
    return Rewording(network.encoder.get_input_embeddings().weight, tokenizer.get_vocab())


def cases_of(mined: Sequence[MinedPair], retriever: Retriever, count: int, seed: int) -> list[Case]:
    """Return the cases of pairs.

    Each comes with the passages of all documents, again without those of its own document, and, where it is answered, with
    another value in its question and what retrieval finds for that.
    """
    draw = random.Random(f"{seed}/cases")
    values = values_of(question_of(item) for item in mined)
    found = []
    for item in mined:
        for passages in (item.ranked[:count], item.without_gold[:count]):
            answered = is_answered(item, passages) if passages else None
            if answered is not None:
                found.append(_case(item, passages, answered))
            if answered and (swapped := swapped_case(question_of(item), passages, values, retriever, draw)):
                found.append(swapped)
    return found


def swapped_case(
    question: str, passages: Sequence[Passage], values: Sequence[str], retriever: Retriever, draw: random.Random
) -> Case | None:
    """Return the case of a question with another value in it, which no passage states; None where there is none."""
    swapped = swap_value(question, [passage.text for passage in passages], values, draw)
    if swapped is None:
        return None
    found = retriever.retrieve(swapped, len(passages))
    new = set(values_of([swapped])) - set(values_of([question]))
    stated = Stated([passage.text for passage in found])
    return None if any(value in stated for value in new) else Case(swapped, found, [], [False] * len(found))


def _case(item: MinedPair, passages: Sequence[Passage], answered: bool) -> Case:
    golds = [holds_evidence(item.pair, passage.text) for passage in passages]
    return Case(question_of(item), passages, [item.pair.response] if answered else [], golds)


def _identity(
    workspace: Workspace, store: Store, dataset: Dataset, settings: FinetuneSettings, replay: Path | None
) -> dict[str, Any]:
    """Return the manifest whose fingerprint names the run: all that its examples and weights depend on."""
    inputs = {
        "dataset": dataset.manifest["fingerprint"],
        "base": sha256_file(GENERAL_READER / WEIGHTS),
        "base_config": sha256_file(GENERAL_READER / CONFIG),
        "chunks": chunks_fingerprint(store),
        "replay": sha256_file(replay) if replay else None,
        "format": FORMAT,
    }
    shaping = {
        "retrieval": retrieval_settings(workspace),
        **{name: getattr(settings, name) for name in ("reader_epochs", "reader_learning_rate")},
        **({"variant_share": settings.variant_share} if dataset.variants else {}),
        **{name: getattr(workspace.settings.serving, name) for name in ("read_passages", "context_passages")},
    }
    manifest = build_manifest("adapter", inputs=inputs, settings=shaping, seed=settings.seed)
    return {**manifest, "parent": "general reader"}
