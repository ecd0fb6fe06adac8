"""RAGAS' judged metrics over real HTTP: good replies, broken ones, and a judge that fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.evaluation_world import ScriptedAssistant, embed, make_questions, many_questions
from support.judge_server import serve_judge

from doyen.core.errors import InputError, ServiceError, SettingsError, Unauthorized, UsageError
from doyen.core.settings import CostSettings, EvalSettings, PriceSettings, Settings
from doyen.eval.estimate import PROBED, estimate_evaluation
from doyen.eval.ragas_metrics import JUDGED_METRICS


def sensible(prompt: str) -> str:
    """Reply in the form that the prompt asks for: RAGAS writes the JSON schema into it."""
    if "noncommittal" in prompt:
        return json.dumps({"question": "How long does the pump run?", "noncommittal": 0})
    if "classifications" in prompt:
        return json.dumps({"classifications": [{"statement": "s", "reason": "r", "attributed": 1}]})
    if "natural language inference" in prompt.lower() or ("faithfulness" in prompt.lower() and "verdict" in prompt):
        rows = [{"statement": "a", "reason": "r", "verdict": 1}, {"statement": "b", "reason": "r", "verdict": 0}]
        return json.dumps({"statements": rows})
    if "statements" in prompt and "verdict" not in prompt:
        return json.dumps({"statements": ["The pump runs for 4,000 hours.", "It is blue."]})
    return json.dumps({"reason": "useful", "verdict": 1})


def settings(url: str, **changes: Any) -> Settings:
    options = {"judge_url": url, "judge_model": "scripted-judge", "judge_api_key": "sesame", "bootstrap_samples": 200}
    return Settings(eval=EvalSettings(**(options | changes)))


def test_judged_metrics_are_ragas_and_stay_for_the_next_run(run_it: Any, tmp_path: Path) -> None:
    questions = make_questions()
    with serve_judge(sensible) as judge:
        report = run_it(ScriptedAssistant(questions), questions, tmp_path, settings=settings(judge.url), modes=("base", "rag"))
        asked = len(judge.prompts)
        assert judge.keys == {"Bearer sesame"}
        rag, base = (report.data["modes"][mode]["metrics"] for mode in ("rag", "base"))
        assert {name for name in rag if name.startswith("judge_")} == set(JUDGED_METRICS)
        assert rag["judge_faithfulness"] == {"mean": 0.5, "low": None, "high": None, "n": 4, "nan": 0}
        assert rag["judge_context_precision"]["mean"] == pytest.approx(1.0)
        assert rag["judge_context_recall"]["mean"] == 1
        assert 0 < rag["judge_answer_relevancy"]["mean"] <= 1
        # Without passages there is nothing that an answer could be faithful to.
        assert {name for name in base if name.startswith("judge_")} == {"judge_answer_relevancy"}
        run_it(ScriptedAssistant(questions), questions, tmp_path, settings=settings(judge.url), modes=("base", "rag"))
        assert len(judge.prompts) == asked


def test_broken_replies_are_counted_and_not_crashed_on(run_it: Any, tmp_path: Path) -> None:
    questions = make_questions()

    def broken_for_one(prompt: str) -> str:
        if "classifications" in prompt and "How long does the pump run?" in prompt:
            return '{"classifications": [{"statement": "s", "reas'
        if "noncommittal" in prompt:
            return "I would rather not say."
        return sensible(prompt)

    with serve_judge(broken_for_one) as judge:
        report = run_it(ScriptedAssistant(questions), questions, tmp_path, settings=settings(judge.url), modes=("rag",))
    metrics = report.data["modes"]["rag"]["metrics"]
    assert (metrics["judge_context_recall"]["n"], metrics["judge_context_recall"]["nan"]) == (3, 1)
    assert metrics["judge_answer_relevancy"] == {"mean": None, "low": None, "high": None, "n": 0, "nan": 4}
    assert metrics["judge_faithfulness"]["nan"] == 0
    assert "without value" in (tmp_path / "report.html").read_text()
    json.loads((tmp_path / "report.json").read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_a_judge_that_fails_is_an_error_and_its_judgements_are_kept(run_it: Any, tmp_path: Path) -> None:
    questions = make_questions()
    calls = 0

    def tired(prompt: str) -> str | int:
        nonlocal calls
        calls += 1
        return 404 if calls > 45 else sensible(prompt)

    with serve_judge(tired) as judge:
        with pytest.raises(ServiceError, match="judge_model"):
            run_it(ScriptedAssistant(questions), questions, tmp_path, settings=settings(judge.url), modes=("rag", "hybrid"))
        kept = len((tmp_path / "judgements.jsonl").read_text().splitlines())
        assert kept >= 1
        assert not (tmp_path / "report.json").exists()
        judge.reply, before = sensible, len(judge.prompts)
        run_it(ScriptedAssistant(questions), questions, tmp_path, settings=settings(judge.url), modes=("rag", "hybrid"))
        assert len(judge.prompts) - before < 8 * 9
    assert len((tmp_path / "judgements.jsonl").read_text().splitlines()) == 8


def test_a_refused_key_and_an_unreachable_judge_say_so(run_it: Any, tmp_path: Path) -> None:
    questions = make_questions()[:1]
    with serve_judge(lambda prompt: 401) as judge, pytest.raises(Unauthorized, match="JUDGE_API_KEY"):
        run_it(ScriptedAssistant(questions), questions, tmp_path, settings=settings(judge.url), modes=("rag",))
    with pytest.raises(ServiceError, match="judge_url"):
        run_it(ScriptedAssistant(questions), questions, tmp_path, settings=settings("http://127.0.0.1:9/v1"), modes=("rag",))


def test_a_judge_without_a_name_or_an_embedder_is_refused(run_it: Any, tmp_path: Path) -> None:
    questions = make_questions()[:1]
    url = "http://127.0.0.1:9/v1"
    with pytest.raises(SettingsError, match="judge_model"):
        run_it(ScriptedAssistant(questions), questions, tmp_path, settings=settings(url, judge_model=""), modes=("rag",))
    with pytest.raises(UsageError, match="embedder"):
        run_it(ScriptedAssistant(questions), questions, tmp_path, settings=settings(url), modes=("rag",), embed=None)


def test_an_evaluation_with_a_judge_is_estimated_by_a_few_answers_that_are_kept(run_it: Any, tmp_path: Path) -> None:
    questions, modes = many_questions(2), ("base", "rag")
    with serve_judge(sensible) as judge:
        options = settings(judge.url)
        costs = CostSettings(prices=(PriceSettings(model="scripted-judge", prompt_1000=1000, completion_1000=2000),))
        options = options.model_copy(update={"costs": costs})
        assistant = ScriptedAssistant(questions)
        given = {"modes": modes, "out": tmp_path, "settings": options, "adapter": "demo:1", "embed": embed}
        inputs = {"index": "i1", "model": "m1", "adapter": "sha-a"}
        estimate = estimate_evaluation(assistant, questions, manifest_inputs=inputs, **given)
        asked, judged = len(assistant.asked), len(judge.prompts)
        assert asked == 2 * (PROBED + 1)
        report = run_it(assistant, questions, tmp_path, settings=options, modes=modes)
        assert len(assistant.asked) == asked + 2 * (len(questions) - PROBED), "what was asked for the trial is kept"
        cost = report.data["manifest"]["cost"]
        happened = cost["happened"]
        assert estimate.expected.units == happened["units"]
        # The server says 1 and 1 of each reply, whose prices are 1 and 2.
        replies = len(judge.prompts) - judged
        assert happened["completion_tokens"] > replies
        assert happened["money"] == 3 * replies
        assert cost["error"]["money"] == pytest.approx(0, abs=0.2)
        with pytest.raises(InputError, match="nothing is left"):
            estimate_evaluation(assistant, questions, manifest_inputs=inputs, **given)
