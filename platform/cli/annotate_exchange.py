"""``doyen annotate import | export | doccano``: labels from other tools, and into them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from doyen.core.errors import InputError
from doyen.platform.cli.session import CliSession, ProjectOption, with_session

PAIRS, PLAIN = "pairs", "plain"
FORMATS = "label-studio (JSON), label-studio-min (JSON-MIN), doccano, labelbox, conll, conllu, spacy, huggingface, csv"

TypeOption = Annotated[str | None, typer.Option("--type", help="Task type of a project that does not exist yet.")]


@with_session
def import_(
    session: CliSession,
    labels: Annotated[Path, typer.Argument(help="The file (or folder) of labels; its annotators are kept.")],
    project: ProjectOption,
    format_name: Annotated[str, typer.Option("--format", help=f"{PAIRS} (pairs.jsonl), {FORMATS} or sagemaker.")] = PAIRS,
    task_type: TypeOption = None,
    annotator: Annotated[str, typer.Option(help="Who labelled what names nobody.")] = "",
) -> None:
    """Take labels into the project: all of the file, or nothing where a line is broken. Repeating it changes nothing."""
    if format_name == PAIRS:
        _import_pairs(session, project, labels)
        return
    done = session.doyen.annotate.import_labels(project, labels, format_name, task_type=task_type, annotator=annotator)
    made = [f"Project {project!r} was made for them."] if done.created else []
    counts = f"{done.report.added} labels new, {done.report.updated} updated, {done.report.unchanged} unchanged."
    value = {**asdict(done.report), "created": done.created, "losses": done.losses.as_json()}
    session.emit(value, "\n".join([*made, counts, *done.losses.sentences()]))


@with_session
def export(
    session: CliSession,
    project: ProjectOption,
    out: Annotated[Path, typer.Argument(help="The file (for huggingface: the folder) to write.")],
    format_name: Annotated[
        str, typer.Option("--format", help=f"{PAIRS} (instruction form), {PLAIN} (rows for a classifier), {FORMATS}.")
    ] = PAIRS,
) -> None:
    """Write the project's labels, decisions in the place of what was disputed."""
    if format_name == PAIRS:
        _export_pairs(session, project, out)
    elif format_name == PLAIN:
        _export_rows(session, project, out)
    else:
        _export_labels(session, project, out, format_name)


@with_session
def doccano(
    session: CliSession,
    url: Annotated[str, typer.Argument(help="Address of the Doccano server.")],
    project: ProjectOption,
    remote: Annotated[int, typer.Option("--id", help="Number of the project on the server.")],
    task_type: TypeOption = None,
    only_new: Annotated[bool, typer.Option(help="Ask only for examples that are not here yet.")] = False,
    user: Annotated[str, typer.Option(envvar="DOYEN_DOCCANO_USER", help="Account to sign in with.")] = "",
    password: Annotated[str, typer.Option(envvar="DOYEN_DOCCANO_PASSWORD", help="Better set the variable.")] = "",
    token: Annotated[str, typer.Option(envvar="DOYEN_DOCCANO_TOKEN", help="Instead of user and password.")] = "",
) -> None:
    """Fetch the confirmed labels of a project on a Doccano server; every version is kept."""
    from doyen.annotation.exchange.doccano_server import DoccanoServer

    if not token and not (user and password):
        raise InputError("Doccano needs an account: set DOYEN_DOCCANO_USER and DOYEN_DOCCANO_PASSWORD, or DOYEN_DOCCANO_TOKEN")
    server = DoccanoServer(url, token=token, username=user, password=password)
    report = session.doyen.annotate.pull_doccano(project, server, remote, task_type=task_type, only_new=only_new)
    server.close()
    lines = [
        f"{report.confirmed} of {report.examples} examples are confirmed; the labels of {report.asked} were asked for: "
        f"{report.added} new, {report.updated} updated, {report.unchanged} unchanged, {report.removed} withdrawn."
    ]
    if not report.complete:
        lines.append("Examples were deleted meanwhile, so that others may have been passed over: run the command again.")
    if report.own_labels_only:
        lines.append("The project is not collaborative: the server shows each account its own labels alone.")
    session.emit(report.as_json(), "\n".join([*lines, *report.losses.sentences(), *report.problems]))


def _import_pairs(session: CliSession, project: str, pairs: Path) -> None:
    from doyen.core.records import Pair, read_records

    report = session.doyen.annotate.import_pairs(project, read_records(pairs, Pair))
    text = (
        f"{report.added} labels new, {report.updated} updated, {report.unchanged} unchanged; "
        f"{report.without_document} name a document that is not ingested."
    )
    session.emit(asdict(report), text)


def _export_pairs(session: CliSession, project: str, out: Path) -> None:
    labels = session.doyen.annotate.export_pairs(project, out)
    text = "\n".join([f"{len(labels.pairs)} pairs written to {out}.", *labels.problems])
    session.emit({"pairs": len(labels.pairs), "file": str(out), "problems": labels.problems}, text)


def _export_rows(session: CliSession, project: str, out: Path) -> None:
    count, problems = session.doyen.annotate.export_rows(project, out)
    text = "\n".join([f"{count} rows written to {out}.", *problems])
    session.emit({"rows": count, "file": str(out), "problems": problems}, text)


def _export_labels(session: CliSession, project: str, out: Path, format_name: str) -> None:
    done = session.doyen.annotate.export_labels(project, out, format_name)
    text = "\n".join([f"{done.labels} labels written to {out}.", *done.losses.sentences(), *done.problems])
    value = {"labels": done.labels, "file": str(out), "losses": done.losses.as_json(), "problems": done.problems}
    session.emit(value, text)
