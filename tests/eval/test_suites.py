"""Suites of a domain: the examples are whole, answers are read as options, and figures are those of the answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doyen.core.errors import InputError, RecordError
from doyen.core.records import Question, read_records
from doyen.core.writing_models import Written
from doyen.eval.head_scores import Sampling
from doyen.eval.suites import ChoiceSuite, ModelChooser, QuestionSuite, read_choices, read_suite, run_choices

SUITES = Path(__file__).resolve().parents[2] / "examples" / "suites"
SAMPLING = Sampling(300, 1)


class ScriptedModel:
    """Gives the answers of a table by what the prompt holds; notes the forms that it is held to."""

    name = "scripted"

    def __init__(self, answers):
        self.answers, self.forms = answers, []

    def fill(self, prompt, form, *, max_tokens, temperature, seed):
        self.forms.append(form["properties"]["answer"]["enum"])
        return Written(next((said for key, said in self.answers.items() if key in prompt), "?"))


@pytest.mark.parametrize(("name", "rows"), [("medicine", 24), ("finance", 24)])
def test_the_examples_of_choices_are_whole(name, rows):
    suite = read_suite(SUITES / f"{name}.toml")
    assert isinstance(suite, ChoiceSuite)
    found = read_choices(suite, SUITES / f"{name}.toml")
    assert len(found) == rows
    right = {row.text: json.dumps({"answer": row.answer}) for row in found}
    report = run_choices(suite, found, ModelChooser(ScriptedModel(right)), SAMPLING)
    assert report.accuracy["mean"] == 1
    assert (report.macro_f1 or report.tags["yes-no-maybe"]["macro_f1"])["mean"] == 1


def test_the_questions_on_documents_quote_them():
    suite = read_suite(SUITES / "law.toml")
    assert isinstance(suite, QuestionSuite)
    questions = read_records(SUITES / suite.rows, Question)
    assert len(questions) >= 20
    assert sum(not each.answerable for each in questions) >= 5
    for each in questions:
        for quote in each.evidence:
            assert quote in (SUITES / suite.documents[0] / str(each.source)).read_text(encoding="utf-8")


def written(folder, rows, **more):
    table = {"task": "choice", "name": "mine", "rows": "mine.jsonl", "instruction": "Choose.", **more}
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    (folder / "mine.toml").write_text("\n".join(lines))
    (folder / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "mine.toml"


def test_letters_stand_for_options_in_words_and_what_is_no_option_is_wrong(tmp_path):
    rows = [
        {"id": 1, "text": "first", "options": ["one pump", "two pumps"], "answer": "two pumps", "tags": ["pumps"]},
        {"id": 2, "text": "second", "options": ["one pump", "two pumps"], "answer": "one pump", "tags": ["pumps"]},
        {"id": 3, "text": "third", "options": ["yes", "no"], "answer": "yes"},
    ]
    path = written(tmp_path, rows)
    suite = read_suite(path)
    model = ScriptedModel({"first": '{"answer": "B"}', "second": "Two pumps", "third": "perhaps"})
    report = run_choices(suite, read_choices(suite, path), ModelChooser(model), SAMPLING)
    assert model.forms == [["A", "B"], ["A", "B"], ["yes", "no"]]
    assert [each["given"] for each in report.answers] == ["two pumps", "two pumps", None]
    assert (report.n, report.unreadable, report.macro_f1) == (3, 1, None)
    assert report.accuracy["mean"] == pytest.approx(1 / 3)
    assert report.tags["pumps"]["macro_f1"]["mean"] == pytest.approx(1 / 3)
    assert "accuracy 0.333" in report.as_text()


def test_broken_suites_name_what_is_wrong(tmp_path):
    with pytest.raises(InputError, match=r"options.*at least 2 items"):
        read_suite(written(tmp_path, [], options=["one"]))
    with pytest.raises(InputError, match="task"):
        read_suite(written(tmp_path, [], task="riddles"))
    path = written(tmp_path, [{"id": 1, "text": "x", "answer": "c"}, {"id": 1, "text": "y"}], options=["a", "b"])
    with pytest.raises(RecordError, match=r"line 1: .*'c' is none of the options.*line 2: answer"):
        read_choices(read_suite(path), path)
    with pytest.raises(InputError, match="cannot be read"):
        read_suite(tmp_path / "none.toml")
