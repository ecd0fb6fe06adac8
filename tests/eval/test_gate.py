"""Rules before a promotion."""

from __future__ import annotations

import copy

from doyen.eval.gate import PROMOTION, AtLeast, Beats, check_gate
from doyen.eval.report import Report


def changed(report: Report, **metrics: float | None) -> Report:
    """Return the report with other means of hybrid's metrics."""
    data = copy.deepcopy(report.data)
    for name, mean in metrics.items():
        data["modes"]["hybrid"]["metrics"][name]["mean"] = mean
    return Report(report.folder, data)


def test_a_good_adapter_passes(finished: Report) -> None:
    assert check_gate(finished) == []


def test_each_rule_that_is_not_met_is_a_sentence(finished: Report) -> None:
    worse = changed(finished, refusal_accuracy=0.5, over_refusal=0.4)
    problems = check_gate(worse, PROMOTION)
    assert problems == [
        "refusal_accuracy of hybrid is 0.500: at least 0.8 is needed",
        "over_refusal of hybrid is 0.400: at most 0.1 is needed",
    ]


def test_a_tie_does_not_beat(finished: Report) -> None:
    assert check_gate(finished, [Beats("hybrid", "finetune")]) == [
        "token_f1 of hybrid minus finetune has the interval +0.000 to +0.000: it must lie above 0"
    ]


def test_the_order_of_the_modes_does_not_matter(finished: Report) -> None:
    assert check_gate(finished, [Beats("hybrid", "base")]) == []
    assert "must lie above 0" in check_gate(finished, [Beats("base", "hybrid")])[0]


def test_what_was_not_evaluated_does_not_pass(finished: Report) -> None:
    assert "evaluate both modes" in check_gate(finished, [Beats("hybrid", "auto")])[0]
    assert "evaluate that mode" in check_gate(finished, [AtLeast("auto", "token_f1", 0.1)])[0]
    assert "no value" in check_gate(changed(finished, token_f1=None), [AtLeast("hybrid", "token_f1", 0.1)])[0]


def test_bounds_are_inclusive_and_may_be_of_a_tag(finished: Report) -> None:
    assert check_gate(changed(finished, refusal_accuracy=0.8), [AtLeast("hybrid", "refusal_accuracy", 0.8)]) == []
    assert check_gate(finished, [AtLeast("rag", "token_f1", 0.4, tag="seen-document")]) == []
    assert check_gate(finished, [AtLeast("rag", "token_f1", 0.4, tag="unseen-document")])
