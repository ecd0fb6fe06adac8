"""``doyen dataset`` and ``doyen eval questions``, from pairs to an export that comes back."""

import json

import pytest

from doyen.core.store import open_store

SUBJECTS = ["pump", "valve", "motor", "fan", "belt", "gauge", "nozzle", "boiler", "rotor", "hatch", "lamp", "sieve"]


@pytest.fixture
def run(workspace, doyen):
    open_store(workspace).close()

    def command(*arguments, **options):
        return doyen(*arguments, "--workspace", workspace.root, **options)

    return command


@pytest.fixture
def pairs(tmp_path):
    rows = [
        {"id": name, "prompt": f"Where is the {name} kept in winter?", "response": f"In hall {number}, under a cover."}
        for number, name in enumerate(SUBJECTS)
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"id": "empty", "prompt": "Which?", "response": ""}]))
    return path


def questions(path, subject):
    path.write_text(
        json.dumps({"id": "q", "question": f"Where is the {subject} kept in winter", "answer": "In a hall."}) + "\n"
    )
    return path


@pytest.mark.model
def test_a_dataset_is_built_shown_checked_compared_and_exchanged(run, pairs, tmp_path):
    assert run("dataset", "build", pairs, "--name", "d").code == 2
    registered = run("eval", "questions", "register", questions(tmp_path / "acceptance.jsonl", "pump"), "--json").json
    assert run("eval", "questions", "list", "--json").json == [registered]
    built = run("dataset", "build", pairs, "--name", "d", "--rule", "missing_response=drop", "--test-share", 0.2, "--json").json
    assert (built["dropped"], built["test"]) == ({"frozen": 1}, 3)
    shown = run("dataset", "show", "d", "--json").json
    assert "- 1 rows without response: drop" in shown["card"]
    assert shown["manifest"]["origin"] == {"file": "pairs.jsonl"}
    assert run("dataset", "check", "d").code == 0
    asked = run("dataset", "check", "d", "--questions", questions(tmp_path / "new.jsonl", "belt"), "--json")
    assert (asked.code, [leak["ids"] for leak in asked.json["leaks"]]) == (1, [["belt", "q"]])
    assert run("dataset", "export", "d", tmp_path / "out", "--format", "alpaca").code == 0
    copy = run("dataset", "import", tmp_path / "out", "--name", "copy", "--json").json
    assert [copy[part] for part in ("train", "validation", "test")] == [built[part] for part in ("train", "validation", "test")]
    assert run("dataset", "diff", "d", "copy", "--json").json["moved"] == {}
    assert {row["dataset"] for row in run("dataset", "list", "--json").json} == {copy["dataset"], built["dataset"]}


def test_wrong_rules_are_named(run, pairs):
    wrong = run("dataset", "build", pairs, "--name", "d", "--split", "random")
    assert wrong.code == 2
    assert "split = 'random'" in wrong.err
    assert "write it as NAME=VALUE" in run("dataset", "build", pairs, "--name", "d", "--rule", "split").err
