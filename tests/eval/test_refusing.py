"""What a probability is worth: AUROC and the risk-coverage curve against values worked by hand, scikit-learn and scipy."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from support.evaluation_world import ScriptedAssistant, make_questions

from doyen.core.answers import Answer
from doyen.core.records import REFUSAL, Question
from doyen.core.statistics import auroc_interval
from doyen.eval.answer_log import AnswerRecord
from doyen.eval.refusing import Refusing, risk_coverage, separation, summarise_refusing
from doyen.eval.report import Report, comparison_table
from doyen.eval.summary import Bootstrap
from doyen.eval.view import verdict, view_report

BOOTSTRAP = Bootstrap(400, 0)


def asked(name: str, *tags: str, answerable: bool = True) -> Question:
    return Question(
        id=name, question=f"{name}?", answers=["4 h"] if answerable else [REFUSAL], answerable=answerable, tags=list(tags)
    )


def record(question: Question, probability: float | None, answer: str | None = "4 h") -> AnswerRecord:
    """Return an answer; None stands for the refusal."""
    given = Answer(question.question, answer or REFUSAL, "extract", abstained=answer is None, probability=probability)
    return AnswerRecord.of("k", question.id, given)


QUESTIONS = [
    asked("a1"),
    asked("a2"),
    asked("a3"),
    asked("u1", "off-topic", answerable=False),
    asked("u2", "false-premise", answerable=False),
]
RECORDS = [
    record(QUESTIONS[0], 0.9),
    record(QUESTIONS[1], 0.7, "5 h"),
    record(QUESTIONS[2], 0.2, None),
    record(QUESTIONS[3], 0.1, None),
    record(QUESTIONS[4], 0.7),
]


def test_auroc_by_hand() -> None:
    """Pairs won: a1 both, a2 against u1 and half against u2, a3 against u1."""
    found = separation(QUESTIONS, RECORDS, BOOTSTRAP)
    assert (found.value, found.answerable, found.unanswerable) == (0.75, 3, 2)
    assert (found.low, found.high) == (None, None), "five questions have no interval"
    assert separation(QUESTIONS, RECORDS, BOOTSTRAP, "off-topic").value == 1
    assert separation(QUESTIONS, RECORDS, BOOTSTRAP, "false-premise").value == 0.5
    missing = separation(QUESTIONS, RECORDS, BOOTSTRAP, "missing-property")
    assert (missing.value, missing.answerable, missing.unanswerable) == (None, 3, 0)


def test_what_was_not_read_has_no_part_in_auroc() -> None:
    unread = [replace(RECORDS[0], probability=None), *RECORDS[1:]]
    found = separation(QUESTIONS, unread, BOOTSTRAP)
    assert (found.value, found.answerable) == (pytest.approx(2.5 / 4, abs=1e-6), 2)


def test_the_curve_by_hand() -> None:
    """a1 is right at 0.9; at 0.7 come a2 (wrong) and u2 (unanswerable) at once; a3 and u1 were refused."""
    curve = risk_coverage(QUESTIONS, RECORDS)
    assert curve.threshold == [0.9, 0.7]
    assert curve.coverage == [0.2, 0.6]
    assert curve.risk == pytest.approx([0, 2 / 3])
    assert curve.risk_at(0.2) == 0
    assert curve.risk_at(0.21) == curve.risk_at(0.6) == pytest.approx(2 / 3)
    assert curve.risk_at(0.61) is None, "the curve ends where the answers end"
    assert curve.coverage_at(0.1) == 0.2
    assert curve.coverage_at(0.67) == 0.6
    assert risk_coverage(QUESTIONS[4:], RECORDS[4:]).coverage_at(0.5) is None


def test_answers_that_nothing_was_read_for_come_last() -> None:
    curve = risk_coverage(QUESTIONS, [replace(RECORDS[0], probability=None), *RECORDS[1:]])
    assert (curve.threshold, curve.coverage) == ([0.7, None], [0.4, 0.6])


def test_nothing_answered_is_an_empty_curve() -> None:
    refused = [record(question, 0.1, None) for question in QUESTIONS]
    curve = risk_coverage(QUESTIONS, refused)
    assert (curve.coverage, curve.risk_at(0.0), curve.coverage_at(1.0)) == ([], None, None)


def scores(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return overlapping probabilities of answerable and unanswerable questions, with ties."""
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.7
    return np.round(np.where(positive, rng.beta(4, 2, n), rng.beta(2, 3, n)), 2), positive


@pytest.mark.parametrize("n", [8, 60, 533])
def test_auroc_is_scikit_learns(n: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    values, positive = scores(n)
    assert auroc_interval(values, positive, samples=200, seed=0)[0] == pytest.approx(metrics.roc_auc_score(positive, values))


def test_its_interval_is_scipys() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    values, positive = scores(90)
    ours = auroc_interval(values, positive, samples=300, seed=3)
    expected = stats.bootstrap(
        (positive, values), metrics.roc_auc_score, paired=True, vectorized=False, n_resamples=300, method="BCa",
        rng=np.random.default_rng(3),
    ).confidence_interval  # fmt: skip
    assert ours[1:] == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_clusters_widen_the_interval() -> None:
    values, positive = scores(60, seed=1)
    alone = auroc_interval(np.repeat(values, 3), np.repeat(positive, 3), samples=400, seed=0)
    together = auroc_interval(
        np.repeat(values, 3), np.repeat(positive, 3), samples=400, seed=0, clusters=[n for n in range(60) for _ in range(3)]
    )
    single = auroc_interval(values, positive, samples=400, seed=0)
    assert together == pytest.approx(single), "copies of a question say no more than it does"
    assert alone[0] == pytest.approx(single[0])
    assert alone[2] - alone[1] < together[2] - together[1]  # type: ignore[operator]


def test_perfect_separation_has_an_interval_only_on_questions_enough() -> None:
    positive = np.arange(60) < 30
    assert auroc_interval(positive.astype(float), positive, samples=200, seed=0) == (1, 1, 1)
    assert auroc_interval(positive[1:].astype(float), positive[1:], samples=200, seed=0) == (1, None, None)


def test_only_modes_that_read_have_figures() -> None:
    unread = [replace(answer, probability=None) for answer in RECORDS]
    found = summarise_refusing(QUESTIONS, {"base": unread, "extract": RECORDS}, BOOTSTRAP)
    assert list(found) == ["extract"]
    assert found["extract"]["risk_at_coverage"] == 0.666667
    assert found["extract"]["coverage_at_risk"] == 0.2
    assert found["extract"]["auroc"]["missing-property"]["value"] is None


class Reading(ScriptedAssistant):
    """Answers with a probability in modes with passages, as where a reader reads them; base reads nothing."""

    def ask(self, question: str, mode: str, **options: Any) -> Answer:
        known = self.questions[question]
        script = {"extract": "hybrid"}.get(mode, mode)
        answer = replace(super().ask(question, script, **options), mode=mode)  # type: ignore[arg-type]
        return answer if mode == "base" else replace(answer, probability=0.9 if known.answerable else 0.3)


@pytest.fixture
def read(run_it: Callable[..., Report], tmp_path: Path) -> Report:
    return run_it(Reading(tagged()), tagged(), tmp_path, modes=("base", "extract", "rag", "hybrid"))


def tagged() -> Sequence[Question]:
    """The small world's questions, one unanswerable question off topic."""
    return [
        question.model_copy(update={"tags": [*question.tags, "off-topic"]}) if question.id == "q6" else question
        for question in make_questions()
    ]


def test_a_report_holds_and_shows_them(read: Report) -> None:
    figures = read.data["refusing"]
    assert list(figures) == ["extract", "rag", "hybrid"]
    assert figures["rag"]["curve"] == {"threshold": [0.9, 0.3], "coverage": [0.666667, 1.0], "risk": [0.5, 0.666667]}
    view = view_report(json.loads((read.folder / "report.json").read_text(encoding="utf-8")))
    assert isinstance(view.refusing["extract"], Refusing)
    assert view.refusing["extract"].auroc["off-topic"].value == 1
    page = (read.folder / "report.html").read_text(encoding="utf-8")
    assert "Risk and coverage" in page
    assert "off-topic" in page
    assert page.count("<polyline") == 3


def duel(delta: float, p: float, *, turned: bool = False) -> list[str]:
    """Return what is said of hybrid − extract, or of extract − hybrid where the modes were named the other way round."""
    a, b = ("extract", "hybrid") if turned else ("hybrid", "extract")
    item = {
        "a": a,
        "b": b,
        "metric": "token_f1",
        "delta": -delta if turned else delta,
        "low": None,
        "high": None,
        "p": p,
        "n": 40,
    }
    means = {"extract": 0.5, "rag": 0.9}
    modes = {mode: {"metrics": {"token_f1": {"mean": mean}}} for mode, mean in means.items()}
    return verdict(view_report({"modes": modes, "comparisons": [item, {**item, "metric": "rouge_l"}]}))[1:]


@pytest.mark.parametrize("turned", [False, True])
def test_the_report_says_whether_hybrid_beats_extract(turned: bool) -> None:
    assert duel(0.1, 0.01, turned=turned) == ["hybrid beats extract in Token F1: by +0.100, p 0.0100, n 40."]
    unsure = "hybrid does not beat extract in Token F1: the difference is +0.100, p 0.0600, n 40."
    assert duel(0.1, 0.06, turned=turned) == [unsure]
    worse = "hybrid does not beat extract in Token F1: the difference is -0.100, p 0.0100, n 40."
    assert duel(-0.1, 0.01, turned=turned) == [worse]


def test_page_and_terminal_say_it(read: Report) -> None:
    said = "hybrid does not beat extract in Token F1: the difference is +0.000, p 1.0000, n 4."
    assert said in comparison_table(read)
    assert f"<li>{said}</li>" in (read.folder / "report.html").read_text(encoding="utf-8")


def test_the_terminal_has_a_line_for_each_mode(read: Report) -> None:
    table = comparison_table(read)
    lines = table[table.index("Refusing by probability") :].split("\n\n")[0].splitlines()
    assert [line.split()[0] for line in lines[-3:]] == ["extract", "rag", "hybrid"]
    assert lines[-2].split()[-1] == "0.500"
    assert max(map(len, table.splitlines())) <= 90


def test_a_report_of_an_earlier_version_is_shown_without_them(read: Report) -> None:
    earlier = {name: value for name, value in read.data.items() if name != "refusing"}
    assert view_report(earlier).refusing == {}
    assert "Refusing by probability" not in comparison_table(Report(Path(), earlier))
