"""``doyen eval …``: the same frozen questions in several modes, compared with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doyen.core.evaluations import register_report
from doyen.core.manifest import fingerprint
from doyen.core.modes import ADAPTER_MODES, MODES, PASSAGE_MODES
from doyen.core.workspace import Workspace
from doyen.platform.cli.session import CliSession, DebugOption, JsonOption, WorkspaceOption, open_session

if TYPE_CHECKING:
    from doyen.core.records import Question
    from doyen.eval.report import Report
    from doyen.finetune.registry import Adapter
    from doyen.platform.serving.assistant import Assistant

app = typer.Typer(help="Evaluation: frozen questions × modes → report.", no_args_is_help=True)


@app.command()
def run(
    questions: Annotated[Path, typer.Option(help="Frozen questions (questions.jsonl).")],
    out: Annotated[Path, typer.Option(help="Folder for report.json, report.html and answers.jsonl.")],
    modes: Annotated[str, typer.Option(help="Modes, separated by commas.")] = ",".join(MODES),
    adapter: Annotated[str | None, typer.Option(help="name or name:version; default: the promoted, else the newest.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Ask a fixed sample of that many questions.")] = None,
    without: Annotated[str | None, typer.Option(help="Leave out the questions with this tag.")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Ask the same questions in every mode and compare. Stopped and started again, it goes on."""
    from doyen.eval.questions import load_questions, without_tag
    from doyen.eval.report import comparison_table

    with open_session(workspace, as_json=as_json, debug=debug) as session:
        names = [mode.strip() for mode in modes.split(",") if mode.strip()]
        loaded = load_questions(questions)
        asked = without_tag(loaded, without) if without else loaded
        report = evaluate(session, asked, modes=names, out=out, adapter=adapter, sample=sample)
        session.emit(report.data, f"{comparison_table(report)}\n\nReport: {report.folder / 'report.html'}")


@app.command()
def gate(
    report: Annotated[Path, typer.Argument(help="Folder of a report.")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Say rule by rule whether a report is good enough to promote its adapter; exit code 1 when it is not."""
    from doyen.eval.gate import verdict_text
    from doyen.eval.report import load_report
    from doyen.platform.serving.promotion import judge_own

    with open_session(workspace, as_json=as_json, debug=debug) as session:
        verdicts = [verdict.to_json() for verdict in judge_own(session.workspace, session.store, load_report(report))]
        passed = all(verdict["met"] for verdict in verdicts)
        said = f"The gate is {'open' if passed else 'closed'}.\n{verdict_text(verdicts)}"
        session.emit({"passed": passed, "rules": verdicts}, said)
    if not passed:
        raise typer.Exit(1)


def evaluate(
    session: CliSession,
    questions: Sequence[Question],
    *,
    modes: Sequence[str],
    out: Path,
    adapter: str | None,
    sample: int | None = None,
) -> Report:
    """Evaluate questions with the workspace's assistant, and register the report where chat and gateway look for it.

    Raises:
        UsageError, NotFoundError, IndexMissing, ServiceError: as the steps do.
    """
    from doyen.eval.questions import resolve_duplicates
    from doyen.eval.run import run_evaluation
    from doyen.finetune.dataset import excluded_questions
    from doyen.platform.serving.assistant import open_assistant
    from doyen.retrieval.embedder import open_embedder
    from doyen.retrieval.index import open_retriever

    workspace, store = session.workspace, session.store
    frozen = resolve_duplicates(questions, store)
    needs_index = any(mode in PASSAGE_MODES for mode in modes)
    retriever = open_retriever(workspace, store) if needs_index or has_index(workspace) else None
    with closing(open_assistant(workspace, store)) as assistant:
        chosen = _adapter_for(assistant, modes, adapter)
        report = run_evaluation(
            assistant,
            retriever,
            frozen,
            modes=modes,
            out=out,
            settings=workspace.settings,
            manifest_inputs=_inputs(workspace, assistant, chosen),
            reporter=session.reporter,
            adapter=chosen.ref if chosen else None,
            adapter_fingerprint=chosen.manifest["fingerprint"] if chosen else None,
            sample=sample,
            embed=open_embedder(workspace.settings.retrieval).encode,
            excluded=excluded_questions(workspace, chosen.dataset_id) if chosen else None,
        )
    register_report(workspace.reports_folder, out)
    return report


def _adapter_for(assistant: Assistant, modes: Sequence[str], wanted: str | None) -> Adapter | None:
    """Return the adapter that all modes with one will use, so that a promotion in between cannot mix two."""
    from doyen.platform.serving.plan import check_mode, choose_adapter

    checked = [check_mode(mode) for mode in modes]
    first = next((mode for mode in checked if mode in ADAPTER_MODES), None)
    return choose_adapter(assistant.registry, assistant.engine, first, wanted) if first else None


def _inputs(workspace: Workspace, assistant: Assistant, adapter: Adapter | None) -> dict[str, str]:
    """Return the hashes of what answers rest on."""
    from doyen.retrieval.manifest import read_manifest

    inputs = {"base_model": assistant.engine.base_sha256 or assistant.engine.model}
    if has_index(workspace):
        index = read_manifest(workspace.index_folder)
        inputs["index"] = fingerprint([index.content, index.embedder_sha256])
    if adapter:
        inputs["adapter"] = fingerprint([adapter.ref, adapter.manifest["fingerprint"]])
    return inputs


def has_index(workspace: Workspace) -> bool:
    """Whether the workspace has an index, whole or damaged; modes without passages need none."""
    from doyen.retrieval.manifest import manifest_path

    return manifest_path(workspace.index_folder).exists()
