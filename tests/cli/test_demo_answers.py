"""The answers that the demo prints: from its own sample, with their references, and a wrong one if there is one."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support.evaluation_world import ScriptedAssistant, evaluate_small_world, many_questions

from doyen.platform.cli.demo_command import choose_shown


class Faulty(ScriptedAssistant):
    """Gives wrong figures about warranties."""

    def ask(self, question, mode, **options):
        answer = super().ask(question, mode, **options)
        return replace(answer, answer="36 months") if "warranty" in question else answer


@pytest.mark.parametrize(("assistant", "verdicts"), [(ScriptedAssistant, [True, True, True]), (Faulty, [True, True, False])])
def test_three_answers_one_of_them_wrong_if_there_is_one(assistant, verdicts, tmp_path):
    questions = many_questions(2)
    report = evaluate_small_world(questions, tmp_path, "demo:1", assistant(questions))
    shown = choose_shown(questions, report)
    assert [item.right for item in shown] == verdicts
    assert len({item.question.id for item in shown}) == 3
    for item in shown:
        asked_again = assistant(questions).ask(item.question.question, "hybrid", adapter="demo:1", record=False)
        assert item.answer == replace(asked_again, answer_id=item.answer.answer_id, timings=item.answer.timings)
    printed = replace(shown[0], right=False)
    assert f"Reference: {shown[0].question.answers[0]}" in printed.to_text()
    assert "WRONG" in printed.to_text()
    assert printed.to_json()["references"] == shown[0].question.answers
