"""Exit codes, messages and machine-readable output of single commands."""

import json

import pytest

from doyen import Doyen
from doyen.platform.checks import check_workspace
from tests.support.model_server import saying


@pytest.fixture
def space(doyen, tmp_path):
    """A fresh workspace made by ``doyen init``."""
    made = doyen("init", tmp_path / "space", "--json")
    assert made.code == 0, made.err
    return tmp_path / "space"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--help"], 0), (["no-such-command"], 2), (["search"], 2), (["ask", "x", "--mode"], 2)],
)
def test_exit_codes_of_wrong_use(doyen_process, arguments, code):
    assert doyen_process(*arguments).code == code


@pytest.mark.parametrize("command", ["search", "ask"])
def test_a_question_that_is_no_text_is_a_sentence(doyen, space, command):
    outcome = doyen(command, "\udcff how tight?", "--workspace", space)
    assert (outcome.code, outcome.out) == (2, "")
    assert "no UTF-8" in outcome.err


def test_the_doctor_finds_a_reader_and_reading_adapters_that_are_not_there(space):
    with Doyen(space) as doyen:
        found = {check.name: check for check in check_workspace(doyen)}
    assert (found["reader"].ok, found["reading adapter"].ok) == (True, True)
    assert found["reading adapter"].detail == "general-reading:0 serves, trainings start from general-reading:0"
    (space / "doyen.toml").write_text('[serving]\nreader = "qa:3"\n[finetune]\nstart_from = "mine"\n')
    with Doyen(space) as doyen:
        found = {check.name: check for check in check_workspace(doyen) if not check.ok}
    assert "serving.reader names no reader: there is no adapter 'qa:3'" in found["reader"].detail
    assert "finetune.start_from" in found["reading adapter"].detail


def test_without_a_workspace_the_remedy_is_named(doyen, tmp_path):
    outcome = doyen("search", "x", cwd=tmp_path)
    assert outcome.code == 1
    assert "doyen init" in outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.out == ""


def test_init_twice_and_into_a_file(doyen, space, tmp_path):
    again = doyen("init", space)
    assert again.code == 2
    assert "workspace already" in again.err
    (tmp_path / "file").write_text("x")
    assert "is a file" in doyen("init", tmp_path / "file").err


def test_three_mistakes_in_the_settings_are_shown_at_once(doyen, space):
    (space / "doyen.toml").write_text('nmae = "x"\n[retrieval]\ntop_k = -1\n[serving]\nport = "high"\n')
    outcome = doyen("search", "x", "--workspace", space)
    assert outcome.code == 2
    for part in ("3 mistakes", "nmae", "retrieval.top_k", "serving.port", "doyen.toml"):
        assert part in outcome.err


def test_a_broken_pairs_file_imports_nothing(doyen, space, tmp_path):
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text(json.dumps({"id": "1", "prompt": "a", "response": "b"}) + "\n{broken\n")
    assert doyen("annotate", "create", "--project", "one", "--workspace", space).code == 0
    outcome = doyen("annotate", "import", pairs, "--project", "one", "--workspace", space)
    assert outcome.code == 2
    assert "line 2" in outcome.err
    status = doyen("annotate", "status", "--project", "one", "--workspace", space, "--json")
    assert status.json["annotators"] == {}


def test_searching_before_ingesting(doyen, space):
    outcome = doyen("search", "x", "--workspace", space)
    assert outcome.code == 1
    assert "doyen ingest" in outcome.err


def test_questions_that_cannot_be_asked(doyen, space):
    assert "empty" in doyen("search", "  ", "--workspace", space).err
    long = doyen("ask", "why " * 25_000, "--workspace", space)
    assert long.code == 2
    assert "100000" in long.err.replace(",", "").replace(" ", "") or "99999" in long.err.replace(",", "")
    assert doyen("ask", "why", "--mode", "magic", "--workspace", space).code == 2


def test_names_that_do_not_exist(doyen, space):
    for arguments in (
        ["adapters", "promote", "none:1", "--force", "a trial"],
        ["train", "none"],
        ["annotate", "push", "--project", "none"],
    ):
        outcome = doyen(*arguments, "--workspace", space)
        assert outcome.code == 2, arguments
        assert "none" in outcome.err


@pytest.mark.parametrize("text", ["26", "$1,200", "否"])
def test_an_answer_that_is_only_a_figure_reaches_the_user(doyen, space, text):
    with saying(text) as environment:
        outcome = doyen("ask", "After how many weeks?", "--mode", "base", "--workspace", space, "--json", **environment)
    assert (outcome.json["answer"], outcome.json["abstained"]) == (text, False)


@pytest.mark.model
def test_evaluating_the_base_model_needs_no_index(doyen, space, tmp_path):
    questions = tmp_path / "questions.jsonl"
    questions.write_text(json.dumps({"id": "1", "question": "What is the capital of France?", "answer": "Paris"}) + "\n")
    made = doyen("eval", "run", "--questions", questions, "--modes", "base", "--out", tmp_path / "r", "-w", space, "--json")
    assert made.code == 0, made.err
    assert made.json["retrieval"] == {}
    assert (space / ".doyen" / "reports" / "r").resolve() == (tmp_path / "r").resolve()
    assert set(made.json["modes"]) == {"base"}
    refused = doyen("eval", "run", "--questions", questions, "--modes", "base,rag", "--out", tmp_path / "s", "-w", space)
    assert refused.code == 1
    assert "doyen ingest" in refused.err
