"""``doyen dataset …``: labelled pairs become leak-free datasets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doyen.core.errors import InputError
from doyen.platform.cli.dataset_augment import augment
from doyen.platform.cli.session import CliSession, with_session

if TYPE_CHECKING:
    from doyen.finetune.dataset import Dataset

app = typer.Typer(help="Datasets: labelled pairs, cleaned and split without leaks.", no_args_is_help=True)
FORMATS = "jsonl, messages, sharegpt, alpaca, parquet or huggingface"
DatasetArgument = Annotated[str, typer.Argument(help="Id of a dataset, or a name for its newest version.")]


@app.command()
@with_session
def build(
    session: CliSession,
    name: Annotated[str, typer.Option("--name", help="Name of the dataset.")],
    pairs: Annotated[Path | None, typer.Argument(help="A pairs.jsonl; or use --project.")] = None,
    project: Annotated[str | None, typer.Option(help="Take the labels of this annotation project.")] = None,
    frozen: Annotated[
        Path | None,
        typer.Option(help="Evaluation questions that training must not see (questions.jsonl), beside the registered."),
    ] = None,
    split: Annotated[str | None, typer.Option(help="By document, group or time.")] = None,
    stratify: Annotated[str | None, typer.Option(help="Parts hold in proportion: answerable, or label.")] = None,
    validation_share: Annotated[float | None, typer.Option(help="Share of the pairs for validation.")] = None,
    test_share: Annotated[float | None, typer.Option(help="Share of the pairs for a test part.")] = None,
    language: Annotated[list[str] | None, typer.Option(help="Keep this language (de, en, …); may be repeated.")] = None,
    mask: Annotated[bool, typer.Option("--mask", help="Mask personal data.")] = False,
    balance: Annotated[float | None, typer.Option(help="Largest class of training at most N times its smallest.")] = None,
    replay: Annotated[Path | None, typer.Option(help="General pairs to mix into training.")] = None,
    replay_share: Annotated[float | None, typer.Option(help="Their share of training.")] = None,
    paraphrases: Annotated[
        str | None, typer.Option(help="The same question in other words in two parts: refuse, or resolve.")
    ] = None,
    rule: Annotated[list[str] | None, typer.Option(help="NAME=VALUE of the settings' section dataset; repeatable.")] = None,
) -> None:
    """Build a dataset; the same labels and rules give the same dataset."""
    from doyen.core.records import Pair, Question, read_records

    datasets = session.doyen.datasets
    changes = {
        "split": split,
        "stratify": stratify,
        "validation_share": validation_share,
        "test_share": test_share,
        "languages": tuple(language) if language else None,
        "personal_data": "mask" if mask else None,
        "balance": balance,
        "replay_share": replay_share,
        "paraphrases": paraphrases,
    }
    recipe = datasets.recipe(_given(changes) | _rules(rule or []))
    found = datasets.read(pairs, recipe) if pairs else None
    made, problems = session.doyen.build_dataset(
        name,
        pairs=found.pairs if found else None,
        project=project,
        frozen=read_records(frozen, Question) if frozen else [],
        recipe=recipe,
        replay=read_records(replay, Pair) if replay else (),
        origin={"file": pairs.name} if pairs else None,
        missing=found.missing if found else (),
    )
    text = "\n".join([describe(made), *problems, *made.manifest["notes"], f"Next: doyen train {made.dataset_id}"])
    session.emit({"dataset": made.dataset_id, **made.manifest["counts"], "problems": problems}, text)


@app.command("list")
@with_session
def list_(session: CliSession) -> None:
    """List the datasets, newest first."""
    from doyen.finetune.dataset import dataset_rows

    rows = dataset_rows(session.doyen.store)
    lines = [f"{row.dataset_id}  {row.created_at}  {row.manifest['counts']['train']} training pairs" for row in rows]
    shown = [{"dataset": row.dataset_id, "created_at": row.created_at, **row.manifest["counts"]} for row in rows]
    session.emit(shown, "\n".join(lines) or "No datasets yet.")


@app.command()
@with_session
def show(session: CliSession, dataset: DatasetArgument) -> None:
    """Show a dataset's card: what it holds, by which rules, where it comes from, and whether it is large enough."""
    found = session.doyen.datasets.get(dataset)
    card = session.doyen.datasets.card(dataset)
    session.emit({"dataset": found.dataset_id, "card": card, "manifest": found.manifest}, card)


@app.command()
@with_session
def check(
    session: CliSession,
    dataset: DatasetArgument,
    questions: Annotated[Path | None, typer.Option(help="More questions that it must not hold (questions.jsonl).")] = None,
) -> None:
    """Check a dataset's files and leaks again, also against questions registered since; exit code 1 when it leaks."""
    from doyen.core.records import Question, read_records

    asked = read_records(questions, Question) if questions else []
    report = session.doyen.datasets.check(dataset, asked)
    how = [f"{name}: {said}" for name, said in report.compared.items()]
    lines = [*(f"- {leak}" for leak in report.leaks), f"{len(report.leaks)} leaks.", "Compared were:", *how]
    leaks = [{"kind": leak.kind, "parts": leak.parts, "ids": leak.ids, "said": str(leak)} for leak in report.leaks]
    session.emit({"leaks": leaks, "compared": report.compared}, "\n".join(lines))
    if report.leaks:
        raise typer.Exit(1)


@app.command()
@with_session
def diff(session: CliSession, first: DatasetArgument, second: DatasetArgument) -> None:
    """Say what distinguishes two datasets: rows added, removed, changed and moved, and other rules."""
    found = session.doyen.datasets.diff(first, second)
    session.emit(found.as_json(), "\n".join(found.lines()))


@app.command()
@with_session
def export(
    session: CliSession,
    dataset: DatasetArgument,
    folder: Annotated[Path, typer.Argument(help="The folder to write; an earlier export there is replaced.")],
    format_name: Annotated[str, typer.Option("--format", help=FORMATS)] = "jsonl",
) -> None:
    """Write a dataset and its card for other tools."""
    counts = session.doyen.datasets.export(dataset, folder, format_name)
    listed = ", ".join(f"{count} {part}" for part, count in counts.items())
    session.emit({"folder": str(folder), "format": format_name, "rows": counts}, f"{listed} rows in {folder}.")


@app.command("import")
@with_session
def import_(
    session: CliSession,
    rows: Annotated[Path, typer.Argument(help="A file of rows, or a folder with a file for each part.")],
    name: Annotated[str, typer.Option("--name", help="Name of the dataset.")],
    format_name: Annotated[str, typer.Option("--format", help=f"{FORMATS}; default: told from the rows.")] = "",
    rule: Annotated[list[str] | None, typer.Option(help="NAME=VALUE of the settings' section dataset; repeatable.")] = None,
) -> None:
    """Make a dataset of other tools' files. Parts that they name are kept, and checked for leaks as others are."""
    datasets = session.doyen.datasets
    made = datasets.import_(rows, name, format_name=format_name, recipe=datasets.recipe(_rules(rule or [])))
    left_out = made.manifest["origin"].get("columns left out", {})
    lost = [f"{count} values of column {column!r} were left out" for column, count in left_out.items()]
    text = "\n".join([describe(made), *lost, *made.manifest["notes"]])
    session.emit({"dataset": made.dataset_id, **made.manifest["counts"], "columns_left_out": left_out}, text)


def describe(dataset: Dataset) -> str:
    """Return one line on what a dataset holds."""
    counts = dataset.manifest["counts"]
    dropped = ", ".join(f"{number} {step}" for step, number in counts["dropped"].items()) or "none"
    tested = f"{counts['test']} for test, " if counts.get("test") else ""
    return (
        f"Dataset {dataset.dataset_id}: {counts['train']} pairs to train on, {counts['validation']} for validation, {tested}"
        f"{counts['disagreements']} disagreements between annotators; dropped: {dropped}"
    )


def _given(changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in changes.items() if value is not None}


def _rules(given: list[str]) -> dict[str, str]:
    rules = dict(each.partition("=")[::2] for each in given)
    if unsaid := [name for name, value in rules.items() if not value]:
        raise InputError(f"--rule {unsaid[0]} says no value: write it as NAME=VALUE")
    return rules


app.command()(augment)
