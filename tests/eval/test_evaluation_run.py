"""A whole evaluation: the contract of report.json, going on after being stopped, and what makes an answer stale."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.evaluation_world import ScriptedAssistant, make_questions

from doyen.core.errors import Busy, InputError, NotFoundError, UsageError
from doyen.core.progress import Silent
from doyen.core.records import Question
from doyen.core.settings import ServingSettings, Settings
from doyen.eval.answer_log import evaluation_lock
from doyen.eval.report import Report, comparison_table, load_report

GOLDEN = Path(__file__).parent / "golden_report.json"
TESTS = Path(__file__).resolve().parents[1]


def stable(data: dict[str, Any]) -> dict[str, Any]:
    """Leave out what differs between machines and days: times, versions and what depends on the prompt files."""
    manifest = {name: data["manifest"][name] for name in ("kind", "seed")}
    return {**data, "manifest": manifest}


def test_golden_report(finished: Report) -> None:
    """Update on purpose with: DOYEN_UPDATE_GOLDEN=1 pytest tests/eval/test_evaluation_run.py."""
    found = stable(finished.data)
    if os.environ.get("DOYEN_UPDATE_GOLDEN"):
        GOLDEN.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    expected = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert _flat(found) == pytest.approx(_flat(expected), abs=2e-6)


def test_the_contract_of_report_json(finished: Report) -> None:
    data = json.loads((finished.folder / "report.json").read_text(encoding="utf-8"))
    assert data == load_report(finished.folder).data == finished.data
    assert data["questions"]["n"] == 6
    assert len(data["questions"]["sha256"]) == 64
    for mode in data["modes"].values():
        assert set(mode["latency_s"]) == {"p50", "p95"}
        assert set(mode["usage"]) == {"prompt_tokens", "completion_tokens"}
        for value in mode["metrics"].values():
            assert set(value) == {"mean", "low", "high", "n", "nan"}
    for item in data["comparisons"]:
        assert {"a", "b", "metric", "delta", "low", "high", "p"} <= set(item)
    assert list(data["retrieval"]) == ["recall@1", "recall@5", "ndcg@10", "mrr"]
    assert set(data["tags"]) == {"seen-document", "unseen-document", "follow-up", "unanswerable"}
    assert data["manifest"]["inputs"]["index"] == "i1"
    assert "sesame" not in json.dumps(data)


def test_differences_are_the_later_mode_minus_the_earlier(finished: Report) -> None:
    for item in finished.data["comparisons"]:
        means = [finished.metric(mode, item["metric"]) for mode in (item["a"], item["b"])]
        if all(value["nan"] == 0 for value in means):
            assert item["delta"] == pytest.approx(means[0]["mean"] - means[1]["mean"], abs=1e-5)
    pairs = [(item["a"], item["b"]) for item in finished.data["comparisons"] if item["metric"] == "token_f1"]
    assert ("hybrid", "rag") in pairs
    assert ("rag", "hybrid") not in pairs


def test_nan_accounting(finished: Report) -> None:
    """Each metric's n and nan add up to the questions that it applies to."""
    for mode, part in finished.data["modes"].items():
        for name, value in part["metrics"].items():
            applies = {"refusal_accuracy": 2, "key_facts": 3}.get(name, 4)  # one reference states no fact
            assert value["n"] + value["nan"] == applies, (mode, name)
    assert "citation_precision" not in finished.data["modes"]["base"]["metrics"]
    assert set(finished.data["tags"]["unanswerable"]["modes"]["hybrid"]["metrics"]) == {"refusal_accuracy"}


def test_refusals_of_answerable_questions_are_nan_in_citation_precision(run_it: Any, tmp_path: Path) -> None:
    questions = make_questions()
    report = run_it(Shy(questions), questions, tmp_path, modes=("rag",))
    assert report.metric("rag", "citation_precision") == {"mean": None, "low": None, "high": None, "n": 0, "nan": 4}
    assert report.metric("rag", "over_refusal")["mean"] == 1
    assert report.metric("rag", "token_f1")["nan"] == 0
    assert "–" in comparison_table(report)


class Shy(ScriptedAssistant):
    """Refuses everything."""

    def ask(self, question: str, mode: str, **options: Any) -> Any:
        known = self.questions[question]
        self.questions[question] = known.model_copy(update={"answerable": False, "answers": ["The documents do not say."]})
        return super().ask(question, "hybrid", **options)


def test_a_stopped_evaluation_goes_on_and_ends_the_same(run_it: Any, tmp_path: Path, finished: Report) -> None:
    questions = make_questions()
    stopped = ScriptedAssistant(questions, stop_after=9)
    with pytest.raises(KeyboardInterrupt):
        run_it(stopped, questions, tmp_path)
    answers = tmp_path / "answers.jsonl"
    assert len(answers.read_text().splitlines()) == 9
    with answers.open("a") as stream:
        stream.write('{"key": "torn by a crash", "id": "q4", "mo')
    again = ScriptedAssistant(questions)
    report = run_it(again, questions, tmp_path)
    assert len(again.asked) == 24 - 9
    assert not set(again.asked) & set(stopped.asked)
    assert stable(_without_times(report.data)) == stable(_without_times(finished.data))
    assert [json.loads(line)["id"] for line in answers.read_text().splitlines()] == [q.id for q in questions] * 4
    last = ScriptedAssistant(questions)
    run_it(last, questions, tmp_path)
    assert last.asked == []


KILLED = """
import sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from support.evaluation_world import OverlapRetriever, ScriptedAssistant, embed, make_questions
from doyen.eval.run import run_evaluation
from doyen.core.settings import Settings
class Slow(ScriptedAssistant):
    def ask(self, *a, **k):
        time.sleep(0.05)
        return super().ask(*a, **k)
questions = make_questions()
run_evaluation(Slow(questions), OverlapRetriever(), questions, modes=["rag", "hybrid"], out=Path({out!r}), settings=Settings(),
               manifest_inputs={{"index": "i"}}, embed=embed)
"""


def test_killed_in_the_middle_it_goes_on(run_it: Any, tmp_path: Path) -> None:
    answers = tmp_path / "answers.jsonl"
    process = subprocess.Popen([sys.executable, "-c", KILLED.format(tests=str(TESTS), out=str(tmp_path))])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (answers.exists() and answers.read_bytes().count(b"\n") >= 3):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = answers.read_bytes().count(b"\n")
    assert done >= 3
    questions = make_questions()
    rest = ScriptedAssistant(questions)
    run_it(
        rest, questions, tmp_path, modes=["rag", "hybrid"], settings=Settings(), manifest_inputs={"index": "i"}, adapter=None
    )
    assert len(rest.asked) == 12 - done
    assert (tmp_path / "report.html").exists()


@dataclass
class Change:
    """A change, and the modes that must be asked again because of it."""

    options: dict[str, Any]
    stale: set[str]


@pytest.mark.parametrize(
    "change",
    [
        Change({"manifest_inputs": {"index": "i2", "model": "m1", "adapter": "sha-a"}}, {"rag", "hybrid"}),
        Change({"manifest_inputs": {"index": "i1", "model": "m1", "adapter": "sha-b"}}, {"finetune", "hybrid"}),
        Change({"adapter": "demo:2"}, {"finetune", "hybrid"}),
        Change({"manifest_inputs": {"index": "i1", "model": "m2", "adapter": "sha-a"}}, {"base", "rag", "finetune", "hybrid"}),
        Change({"settings": Settings(serving=ServingSettings(max_tokens=9))}, {"base", "rag", "finetune", "hybrid"}),
        Change({"settings": Settings(serving=ServingSettings(port=9))}, set()),
        Change({"manifest_inputs": {"index": "i1", "model": "m1", "adapter": "sha-a", "questions": "other"}}, set()),
    ],
    ids=["index", "adapter weights", "adapter", "model", "settings", "port", "question file"],
)
def test_only_stale_answers_are_asked_again(change: Change, run_it: Any, tmp_path: Path) -> None:
    questions = make_questions()[:1]
    run_it(ScriptedAssistant(questions), questions, tmp_path)
    again = ScriptedAssistant(questions)
    run_it(again, questions, tmp_path, **change.options)
    assert {mode for mode, _ in again.asked} == change.stale


def test_the_same_question_twice_counts_once_and_is_named(run_it: Any, tmp_path: Path) -> None:
    first = make_questions()[0]
    twin = first.model_copy(update={"id": "twin", "question": f"{first.question.upper()} ", "answers": ["something else"]})
    assistant, reporter = ScriptedAssistant([first]), Told()
    report = run_it(assistant, [first, twin], tmp_path, modes=("finetune",), reporter=reporter)
    assert len(assistant.asked) == report.data["questions"]["n"] == 1
    assert report.metric("finetune", "exact_match")["mean"] == 1
    ids = [json.loads(line)["id"] for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert ids == ["q1"]
    assert any("twin (as q1)" in said for said in reporter.said)


class Told(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)


def test_an_edited_question_is_asked_again(run_it: Any, tmp_path: Path) -> None:
    """What counts as the same question for the figures is not what shapes an answer."""
    first = make_questions()[0]
    edited = first.model_copy(update={"question": first.question.upper()})
    for question in (first, edited):
        assistant = ScriptedAssistant([question])
        run_it(assistant, [question], tmp_path, modes=("base",))
        assert len(assistant.asked) == 1


def test_one_question_is_an_evaluation_too(run_it: Any, tmp_path: Path) -> None:
    report = run_it(ScriptedAssistant(make_questions()), make_questions()[:1], tmp_path)
    assert report.metric("hybrid", "token_f1") == {"mean": 1.0, "low": None, "high": None, "n": 1, "nan": 0}


def test_a_sample_is_evaluated_alone(run_it: Any, tmp_path: Path) -> None:
    questions = make_questions()
    assistant = ScriptedAssistant(questions)
    report = run_it(assistant, questions, tmp_path, sample=4, modes=("base",))
    assert report.data["questions"]["n"] == len(assistant.asked) == 4


def test_clusters_are_documents(run_it: Any, tmp_path: Path, finished: Report) -> None:
    questions = make_questions()
    settings = Settings.model_validate({"eval": {"cluster_by_source": True, "bootstrap_samples": 400}})
    report = run_it(ScriptedAssistant(questions), questions, tmp_path, settings=settings)
    for mode in ("rag", "hybrid"):
        assert report.metric(mode, "token_f1")["mean"] == finished.metric(mode, "token_f1")["mean"]
    # Two documents say less than four questions: only four patterns of signs are left, and the least p is a half.
    assert {item["p"] for item in report.data["comparisons"]} <= {0.5, 1.0}
    assert min(item["p"] for item in finished.data["comparisons"]) == 0.125


def test_two_evaluations_do_not_share_a_folder(run_it: Any, tmp_path: Path) -> None:
    with evaluation_lock(tmp_path), pytest.raises(Busy, match="an evaluation"):
        run_it(ScriptedAssistant(make_questions()), make_questions(), tmp_path)


@pytest.mark.parametrize(("questions", "modes"), [([], ("rag",)), (make_questions(), ()), (make_questions(), ("rag", "rag"))])
def test_wrong_use_is_named(run_it: Any, tmp_path: Path, questions: list[Question], modes: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        run_it(ScriptedAssistant(make_questions()), questions, tmp_path, modes=modes)


def test_a_question_that_cannot_be_asked_is_named(run_it: Any, tmp_path: Path) -> None:
    questions = make_questions()
    assistant = ScriptedAssistant(questions, stop_after=1)
    assistant.stop = lambda: InputError("the question has 100,000 characters")
    with pytest.raises(InputError, match=r"'q2'.*100,000"):
        run_it(assistant, questions, tmp_path)


def test_a_missing_report_says_what_to_do(tmp_path: Path, finished: Report) -> None:
    with pytest.raises(NotFoundError, match="doyen eval run"):
        load_report(tmp_path)
    with pytest.raises(NotFoundError, match="no bleu of mode 'rag'"):
        finished.metric("rag", "bleu")


def _without_times(data: dict[str, Any]) -> dict[str, Any]:
    modes = {
        mode: {name: value for name, value in part.items() if name not in {"latency_s", "first_token_s"}}
        for mode, part in data["modes"].items()
    }
    return {**data, "modes": modes}


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {key: item for name, part in value.items() for key, item in _flat(part, f"{path}/{name}").items()}
    if isinstance(value, list):
        return {key: item for number, part in enumerate(value) for key, item in _flat(part, f"{path}/{number}").items()}
    return {path: value}


def test_the_table_of_an_earlier_report_has_dashes_for_what_it_did_not_measure(shown: Report) -> None:
    modes = {name: {"metrics": mode["metrics"]} for name, mode in shown.data["modes"].items()}
    table = comparison_table(Report(shown.folder, {**shown.data, "modes": modes}))
    for title in ("Median length", "Median time"):
        assert next(line for line in table.splitlines() if line.startswith(title)).split()[2:] == ["–"] * len(modes)
