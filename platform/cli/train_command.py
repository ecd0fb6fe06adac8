"""``doyen train``: a dataset becomes an adapter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doyen.core.errors import InputError
from doyen.platform.cli.session import CliSession, with_session

if TYPE_CHECKING:
    from doyen.finetune.registry import Adapter


@with_session
def train(
    session: CliSession,
    dataset: Annotated[str | None, typer.Argument(help="Dataset id, or a name: its newest version.")] = None,
    adapter: Annotated[str | None, typer.Option(help="Name of the adapter; default: the dataset's name.")] = None,
    reader: Annotated[bool, typer.Option("--reader", help="Train the reader, which finds answers in passages.")] = False,
    embedder: Annotated[bool, typer.Option("--embedder", help="Train the embedder, which finds passages.")] = False,
    head: Annotated[
        bool, typer.Option("--head", help="Train a head on a project's classes, entities or tags; needs --project.")
    ] = False,
    project: Annotated[str | None, typer.Option("--project", "-p", help="With --head: the annotation project.")] = None,
    soft: Annotated[
        Path | None, typer.Option(help="With --head: a soft_labels.jsonl of `doyen label weak` to learn from, too.")
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(
            help="General pairs to mix in, so that less is forgotten: 'general' for Doyen's own, or a pairs.jsonl; with "
            "--reader, questions on paragraphs (SQuAD's form)."
        ),
    ] = None,
    variants: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of the dataset's variants that a pass takes: how much each weighs; 0: none."),
    ] = None,
    general_reading: Annotated[
        Path | None,
        typer.Option(help="Questions on paragraphs (SQuAD's form) that teach the base model to answer from passages."),
    ] = None,
    method: Annotated[str | None, typer.Option(help="lora, rslora or dora.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the pairs; with --patience, the most there may be.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="End after so many validations without a gain and keep the best weights; 0: never.")
    ] = None,
    ewc: Annotated[
        float | None, typer.Option(min=0, help="Weight of elastic weight consolidation, against forgetting; 0: none.")
    ] = None,
    probe: Annotated[
        bool | None, typer.Option("--probe/--no-probe", help="Whether to measure what the training makes the model forget.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any other setting of [finetune], for this training.")
    ] = None,
    estimate: Annotated[
        bool,
        typer.Option("--estimate", help="Only say what it takes: tokens, time, memory, money."),
    ] = False,
) -> None:
    """Train a LoRA adapter of the generator, the reader, the embedder, or a head. Stopped and started again, it goes on."""
    doyen = session.doyen
    if head or project or soft:
        if (
            project is None
            or not head
            or any(
                (dataset, reader, embedder, replay, general_reading, estimate, variants, method, epochs, patience, ewc, set_)
            )
        ):
            raise InputError("--head goes with --project PROJECT, and besides with --adapter and --soft alone")
        _train_head(session, project, adapter, soft)
        return
    several = reader + embedder + (general_reading is not None) > 1
    if (dataset is None) == (general_reading is None) or several or (replay and (embedder or general_reading)):
        raise InputError(
            "name a dataset, with --reader for a reader or --embedder for an embedder, which takes no --replay; or "
            "--general-reading PARAGRAPHS alone"
        )
    if variants is not None and (reader or embedder or general_reading):
        raise InputError("--variants is for adapters of the generator: for others set finetune.variant_share")
    general = None if reader or replay is None else str(replay)
    options = _options(set_, method=method, epochs=epochs, patience=patience, ewc=ewc, forgetting_probe=probe, replay=general)
    if options and (reader or embedder or general_reading):
        raise InputError("settings of a training are given here for adapters of the generator: set others under [finetune]")
    if estimate:
        if general_reading:
            expected = doyen.estimate_general_reading(general_reading, adapter)
        elif reader:
            expected = doyen.estimate_reader(str(dataset), adapter, replay=replay)
        elif embedder:
            expected = doyen.estimate_embedder(str(dataset), adapter)
        else:
            expected = doyen.estimate_training(str(dataset), adapter, variants=variants, options=options)
        session.emit(expected.to_json(), f"{expected.describe()}\nNext: the same command without --estimate")
        return
    if embedder:
        _train_embedder(session, str(dataset), adapter)
        return
    if general_reading:
        made, usage = doyen.train_general_reading(general_reading, adapter), "--mode rag-reading"
    elif reader:
        made, usage = doyen.train_reader(str(dataset), adapter, replay=replay), "--mode extract"
    else:
        made = doyen.train(str(dataset), adapter, variants=variants, options=options)
        usage = f"--mode hybrid --adapter {made.ref}"
    kind = "Reader" if reader else "Adapter"
    text = f"{kind} {made.ref} is ready ({made.stage}).{_cost_of(made)}\nNext: doyen ask QUESTION {usage}"
    session.emit({"adapter": made.ref, "stage": made.stage, "manifest": made.manifest}, text)


def _options(texts: list[str] | None, **given: Any) -> dict[str, Any]:
    """Return the settings that were given, by an option of their own or as KEY=VALUE."""
    parts = [text.partition("=") for text in texts or []]
    if wrong := [key for key, sign, _ in parts if not sign]:
        raise InputError(f"--set {wrong[0]} says no value: write --set KEY=VALUE, as in --set rank=8")
    named = {key.strip(): value.strip() for key, _, value in parts}
    return {**named, **{key: value for key, value in given.items() if value is not None}}


def _train_head(session: CliSession, project: str, name: str | None, soft: Path | None) -> None:
    made = session.doyen.train_head(project, name, soft=soft)
    test, metric = made.manifest["test"], made.manifest["test"]["metric"]
    found, majority = test[metric], made.manifest["majority"][metric]
    ends = "" if found["low"] is None else f" ({found['low']:.3f} to {found['high']:.3f})"
    lines = [
        f"Head {made.ref} is ready ({made.stage}): {metric} {found['mean']:.3f}{ends} and macro-F1 "
        f"{test['macro_f1']['mean']:.3f} on {test['n']} texts that it has not seen; the most frequent answer has "
        f"{majority['mean']:.3f}.",
        f"Next: doyen adapters promote {made.ref}",
    ]
    session.emit({"adapter": made.ref, "stage": made.stage, "manifest": made.manifest}, "\n".join(lines))


def _train_embedder(session: CliSession, dataset: str, name: str | None) -> None:
    made = session.doyen.train_embedder(dataset, name)
    found = made.manifest["validation"]
    figures = f"of {found['n']} validation pairs it finds {found['recall']:.1%}, the one before {found['base_recall']:.1%}"
    following = f"doyen adapters promote {made.ref}" if found["better"] else "label more pairs, or go on without it"
    text = f"Embedder {made.ref} is ready ({made.stage}): {figures}.{_cost_of(made)}\nNext: {following}"
    session.emit({"adapter": made.ref, "stage": made.stage, "manifest": made.manifest}, text)


def _cost_of(made: Adapter) -> str:
    """Return how far the estimate of a training was off, with a blank before; nothing where it was not estimated."""
    from doyen.core.costs import COST, describe_comparison

    return f" {describe_comparison(made.manifest[COST])}" if COST in made.manifest else ""
