"""``doyen eval …``: the same frozen questions in several modes, compared with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doyen.platform.cli.session import CliSession, with_session

app = typer.Typer(help="Evaluation: frozen questions × modes → report.", no_args_is_help=True)


@app.command()
@with_session
def run(
    session: CliSession,
    questions: Annotated[Path, typer.Option(help="Frozen questions (questions.jsonl).")],
    out: Annotated[Path, typer.Option(help="Folder for report.json, report.html and answers.jsonl.")],
    modes: Annotated[str | None, typer.Option(help="Modes, separated by commas; default: all that can answer.")] = None,
    adapter: Annotated[str | None, typer.Option(help="name or name:version; default: the promoted, else the newest.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Ask a fixed sample of that many questions.")] = None,
    without: Annotated[str | None, typer.Option(help="Leave out the questions with this tag.")] = None,
) -> None:
    """Ask the same questions in every mode and compare. Stopped and started again, it goes on."""
    from doyen.eval.questions import load_questions, without_tag
    from doyen.eval.report import comparison_table

    names = [mode.strip() for mode in modes.split(",") if mode.strip()] if modes is not None else None
    loaded = load_questions(questions)
    asked = without_tag(loaded, without) if without else loaded
    report = session.doyen.evaluate(asked, out, modes=names, adapter=adapter, sample=sample)
    session.emit(report.data, f"{comparison_table(report)}\n\nReport: {report.folder / 'report.html'}")


@app.command()
@with_session
def gate(
    session: CliSession,
    report: Annotated[Path, typer.Argument(help="Folder of a report.")],
    against: Annotated[Path | None, typer.Option(help="Folder of an earlier report: look for losses since then.")] = None,
) -> None:
    """Say rule by rule whether a report is good enough to promote its adapter; exit code 1 when it is not.

    With --against, say instead whether the report is worse than an earlier one in any watched metric (eval.gate.watched).
    """
    if against:
        _tell_changes(session, report, against)
        return
    from doyen.eval.gate import verdict_text

    verdicts = [verdict.to_json() for verdict in session.doyen.gate(report)]
    passed = all(verdict["met"] for verdict in verdicts)
    said = f"The gate is {'open' if passed else 'closed'}.\n{verdict_text(verdicts)}"
    session.emit({"passed": passed, "rules": verdicts}, said)
    if not passed:
        raise typer.Exit(1)


def _tell_changes(session: CliSession, report: Path, against: Path) -> None:
    from doyen.eval.regression import changes_text

    changes = session.doyen.compare_runs(report, against)
    lost = [change for change in changes if change.worse]
    said = f"{f'{len(lost)} metric(s) lost' if lost else 'Nothing lost'} against {against}.\n{changes_text(changes)}"
    session.emit({"passed": not lost, "changes": [change.to_json() for change in changes]}, said)
    if lost:
        raise typer.Exit(1)
