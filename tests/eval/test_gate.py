"""The gate before a promotion: each rule by what the figures can show."""

from __future__ import annotations

import copy
import dataclasses
from html import escape
from pathlib import Path
from typing import Any

import pytest
from support.evaluation_world import evaluate_small_world, make_questions, registered

from doyen.core.errors import StateError
from doyen.core.records import Question
from doyen.core.settings import Settings
from doyen.eval.gate import AtLeast, Beats, Verdict, judge_report, read_rules, require_gate, verdict_text
from doyen.eval.report import Report, comparison_table

RULES = read_rules(Settings())


def changed(report: Report, **metrics: dict[str, Any]) -> Report:
    """Return the report with other figures of hybrid's metrics."""
    data = copy.deepcopy(report.data)
    for name, figures in metrics.items():
        data["modes"]["hybrid"]["metrics"][name] |= figures
    return Report(report.folder, data)


def excluded(report: Report) -> set[str]:
    return set(report.data["questions"]["hashes"])


def judged(report: Report, rule: AtLeast | Beats) -> Verdict:
    return judge_report(report, excluded(report), [rule])[-1]


def test_a_good_adapter_passes_on_enough_questions(shown: Report) -> None:
    verdicts = judge_report(shown, excluded(shown), RULES, adapter=registered("demo:1"))
    assert [verdict.why for verdict in verdicts if not verdict.met] == []
    assert len(verdicts) == 2 + len(RULES) - 1  # rag-short was not evaluated
    require_gate(shown, registered("demo:1"), excluded(shown), RULES)


def test_two_questions_show_nothing(finished: Report) -> None:
    """Both unanswerable questions of the small world are refused: a rate of 1.0 that may well be 0.16."""
    verdict = judged(finished, AtLeast("hybrid", "refusal_accuracy", 0.8))
    assert (verdict.met, verdict.figure, verdict.n) == (False, 1.0, 2)
    assert verdict.low == pytest.approx(0.158, abs=0.001)
    assert "at least 30" in verdict.why
    assert not judged(finished, Beats("hybrid", "rag")).met
    with pytest.raises(StateError, match="not met"):
        require_gate(finished, registered("demo:1"), excluded(finished), RULES)


@pytest.mark.parametrize(
    ("n", "right", "met"), [(30, 30, True), (30, 29, True), (30, 28, False), (60, 54, False), (90, 81, True)]
)
def test_the_exact_bound_decides_and_not_the_mean(shown: Report, n: int, right: int, met: bool) -> None:
    report = changed(shown, refusal_accuracy={"mean": right / n, "n": n, "low": None, "high": None})
    verdict = judged(report, AtLeast("hybrid", "refusal_accuracy", 0.8))
    assert verdict.met is met
    if not met:
        assert "questions would show it" in verdict.why


def test_a_rate_that_no_number_of_questions_would_show_promises_none(shown: Report) -> None:
    why = judged(changed(shown, refusal_accuracy={"mean": 0.5}), AtLeast("hybrid", "refusal_accuracy", 0.8)).why
    assert "would show it" not in why
    assert "0.8 is needed" in why


def test_upper_bounds_hold_for_the_upper_end(shown: Report) -> None:
    rule = AtLeast("hybrid", "over_refusal", 0.1, at_most=True)
    assert judged(shown, rule).met
    assert not judged(changed(shown, over_refusal={"mean": 5 / 64}), rule).met


def test_a_difference_needs_p_and_an_interval_above_zero(shown: Report) -> None:
    rule = Beats("hybrid", "rag")
    item = next(item for item in shown.data["comparisons"] if item["metric"] == "token_f1")
    assert judged(shown, rule).met
    for change, why in (
        ({"p": 0.06}, "may be chance"),
        ({"low": -0.01}, "above 0"),
        ({"n": 29}, "at least 30"),
        ({"low": None}, "too equal"),
    ):
        report = Report(shown.folder, {**shown.data, "comparisons": [{**item, **change}]})
        verdict = judged(report, rule)
        assert not verdict.met
        assert why in verdict.why


def test_the_order_of_the_modes_does_not_matter(shown: Report) -> None:
    forth, back = judged(shown, Beats("hybrid", "rag")), judged(shown, Beats("rag", "hybrid"))
    assert forth.met
    assert not back.met
    assert back.figure == -forth.figure


def test_the_fair_baseline_counts_where_it_was_evaluated(shown: Report) -> None:
    item = next(item for item in shown.data["comparisons"] if item["metric"] == "token_f1")
    data = copy.deepcopy(shown.data)
    data["modes"]["rag-short"] = data["modes"]["rag"]
    data["comparisons"].append({**item, "b": "rag-short", "delta": 0.0, "low": -0.1, "high": 0.1, "p": 0.9})
    met = {verdict.rule: verdict.met for verdict in judge_report(Report(shown.folder, data), excluded(shown), RULES)}
    assert met["token_f1 of hybrid is surely above that of rag"]
    assert not met["token_f1 of hybrid is surely above that of rag-short"]


def test_questions_that_training_may_have_seen_close_the_gate(shown: Report) -> None:
    some = set(list(excluded(shown))[1:])
    first = judge_report(shown, some, RULES)[0]
    assert (first.met, first.why.split(":")[0]) == (False, "1 of 96 were not")
    assert "--frozen" in judge_report(shown, None, RULES)[0].why
    nameless = Report(shown.folder, {**shown.data, "questions": {"n": 96}})
    assert "run the evaluation again" in judge_report(nameless, excluded(shown), RULES)[0].why


def copies(question: Question, n: int, near: bool) -> list[Question]:
    """Return the question so many times, word for word or as people vary it without asking something else."""
    text = question.question
    forms = [text, text.upper(), f"  {text} ", text.replace("?", ""), text.replace(" ", "\n"), f"«{text}»", f"{text[:-1]} ?!"]
    return [
        question.model_copy(update={"id": f"{question.id}-{copy}", "question": forms[copy % len(forms)] if near else text})
        for copy in range(n)
    ]


@pytest.mark.parametrize("near", [False, True], ids=["copies", "near copies"])
def test_copies_of_a_question_are_one_question(tmp_path: Path, near: bool) -> None:
    answerable, *_, unanswerable = make_questions()
    report = evaluate_small_world([*copies(answerable, 40, near), *copies(unanswerable, 40, near)], tmp_path, "demo:1")
    assert report.data["questions"]["n"] == 2
    assert report.metric("hybrid", "token_f1")["n"] == report.metric("hybrid", "refusal_accuracy")["n"] == 1
    assert not report.data["gate"]["open"]


def test_a_report_that_asked_a_question_twice_closes_the_gate(shown: Report) -> None:
    asked = shown.data["questions"]["hashes"]
    for hashes in ([asked[0], *asked[:-1]], asked[1:]):
        twice = Report(shown.folder, {**shown.data, "questions": {"n": len(asked), "hashes": hashes}})
        verdict = judge_report(twice, excluded(shown), RULES)[0]
        assert (verdict.met, verdict.n) == (False, 95)
        assert "95 of the 96 questions differ" in verdict.why


def test_a_report_about_another_adapter_does_not_speak_for_this_one(shown: Report) -> None:
    with pytest.raises(StateError, match="it is about demo:1"):
        require_gate(shown, registered("demo:2"), excluded(shown), RULES)


def test_an_adapter_of_the_same_name_is_not_the_same_adapter(shown: Report) -> None:
    """Another workspace's demo:1, or one that was trained again after the first was lost, is a stranger to the report."""
    other = registered("demo:1", fingerprint="trained on something else")
    with pytest.raises(StateError, match="another demo:1, trained on something else"):
        require_gate(shown, other, excluded(shown), RULES)
    earlier = Report(shown.folder, {name: value for name, value in shown.data.items() if name != "adapter_fingerprint"})
    for adapter in (registered("demo:1"), dataclasses.replace(other, manifest={})):
        with pytest.raises(StateError, match=r"does not say which training[\s\S]*doyen eval run"):
            require_gate(earlier, adapter, excluded(shown), RULES)


def test_what_was_not_evaluated_does_not_pass(shown: Report) -> None:
    assert "evaluate both modes" in judged(shown, Beats("hybrid", "auto")).why
    assert "evaluate that mode" in judged(shown, AtLeast("auto", "token_f1", 0.1)).why
    assert "no value" in judged(changed(shown, token_f1={"mean": None}), AtLeast("hybrid", "token_f1", 0.1)).why


def test_a_bound_may_be_of_a_tag(shown: Report) -> None:
    assert judged(shown, AtLeast("rag", "token_f1", 0.01, tag="seen-document")).met
    assert not judged(shown, AtLeast("rag", "token_f1", 0.9, tag="seen-document")).met


def test_the_verdict_is_data_of_the_report_and_text_on_the_terminal(shown: Report, finished: Report) -> None:
    gate = shown.data["gate"]
    assert gate["open"]
    assert set(gate["rules"][0]) == {"rule", "met", "why", "figure", "n", "low", "high", "p"}
    assert not finished.data["gate"]["open"]
    text = comparison_table(finished)
    assert "Gate: closed" in text
    assert verdict_text(finished.data["gate"]["rules"]) in text
    page = (shown.folder / "report.html").read_text(encoding="utf-8")
    assert all(escape(rule["rule"]) in page for rule in gate["rules"])


def test_rules_are_read_from_the_settings(shown: Report) -> None:
    gate = {
        "rules": ["rag token_f1 >= 0.01 on seen-document", "hybrid over_refusal <= .5", "rag token_f1 > base, if evaluated"]
    }
    rules = read_rules(Settings(eval={"gate": gate}))
    assert rules == [
        AtLeast("rag", "token_f1", 0.01, tag="seen-document"),
        AtLeast("hybrid", "over_refusal", 0.5, at_most=True),
        Beats("rag", "base", if_evaluated=True),
    ]
    assert [str(rule) for rule in read_rules(Settings())] == [
        "token_f1 of hybrid is surely above that of rag",
        "token_f1 of hybrid is surely above that of rag-short",
        "refusal_accuracy of hybrid is surely at least 0.8",
        "over_refusal of hybrid is surely at most 0.1",
    ]
