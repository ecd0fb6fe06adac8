"""``doyen eval …``: the same frozen questions in several modes, compared with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doyen.platform.cli.session import CliSession, with_session

app = typer.Typer(help="Evaluation: frozen questions × modes → report.", no_args_is_help=True)
questions_app = typer.Typer(help="Frozen questions, which no dataset holds.", no_args_is_help=True)
app.add_typer(questions_app, name="questions")


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
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only ask and judge a few, which are kept, and say what the others take.")
    ] = False,
) -> None:
    """Ask the same questions in every mode and compare. Stopped and started again, it goes on."""
    from doyen.core.costs import COST, describe_comparison
    from doyen.eval.questions import load_questions, without_tag
    from doyen.eval.report import comparison_table

    names = [mode.strip() for mode in modes.split(",") if mode.strip()] if modes is not None else None
    loaded = load_questions(questions)
    asked = without_tag(loaded, without) if without else loaded
    if estimate:
        expected = session.doyen.estimate_evaluation(asked, out, modes=names, adapter=adapter, sample=sample)
        session.emit(expected.to_json(), f"{expected.describe()}\nNext: the same command without --estimate")
        return
    report = session.doyen.evaluate(asked, out, modes=names, adapter=adapter, sample=sample)
    cost = report.data["manifest"].get(COST)
    told = f"\n{describe_comparison(cost)}" if cost else ""
    session.emit(report.data, f"{comparison_table(report)}\n{told}\nReport: {report.folder / 'report.html'}")


@app.command()
@with_session
def suite(
    session: CliSession,
    suite: Annotated[Path, typer.Argument(help="A suite's TOML file, such as examples/suites/finance.toml.")],
    out: Annotated[Path, typer.Option(help="Folder for the report.")],
    adapter: Annotated[
        str | None, typer.Option(help="A head or an adapter of the generator, name or name:version; default: the base model.")
    ] = None,
) -> None:
    """Run a suite of a domain: multiple choice, yes/no/maybe, sentiment, or cited answers from documents."""
    from doyen.eval.report import Report, comparison_table

    report = session.doyen.run_suite(suite, out, adapter=adapter)
    if isinstance(report, Report):
        session.emit(report.data, f"{comparison_table(report)}\n\nReport: {report.folder / 'report.html'}")
    else:
        session.emit(report.to_json(), f"{report.as_text()}\nReport: {out / 'suite.json'}")


@questions_app.command()
@with_session
def register(
    session: CliSession,
    questions: Annotated[Path, typer.Argument(help="Evaluation questions (questions.jsonl).")],
    name: Annotated[str | None, typer.Option(help="What the set is called; default: the file's name.")] = None,
) -> None:
    """Freeze questions: no dataset that is built from now on holds one of them. Repeating it changes nothing."""
    from doyen.eval.questions import load_questions

    done = session.doyen.register_questions(load_questions(questions), name or questions.stem)
    said = f"{len(done.questions)} questions are frozen as {done.path.stem}: every dataset leaves them out."
    session.emit({"set": done.path.stem, "questions": len(done.questions)}, said)


@questions_app.command("list")
@with_session
def list_(session: CliSession) -> None:
    """List the sets of frozen questions."""
    from doyen.core.frozen_questions import question_sets

    found = [{"set": each.path.stem, "questions": len(each.questions)} for each in question_sets(session.doyen.workspace)]
    lines = [f"{each['set']}  {each['questions']} questions" for each in found]
    session.emit(found, "\n".join(lines) or "No questions are registered: `doyen eval questions register FILE`.")


@app.command()
@with_session
def pdf(session: CliSession, report: Annotated[Path, typer.Argument(help="Folder of a report.")]) -> None:
    """Print a report's page as report.pdf, with every question open. Needs Chromium or Chrome."""
    from doyen.eval.pdf_report import print_report

    printed = print_report(report)
    session.emit({"pdf": str(printed)}, f"Printed: {printed}")


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
