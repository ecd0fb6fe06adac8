"""Descriptions: everything that is wrong comes at once, and our examples are right. Texts as tasks. Labels out of the store."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from doyen.annotation import (
    create_project,
    draft_tasks,
    export_rows,
    labelled_pairs,
    labelled_texts,
    pull,
    push,
    read_labels,
)
from doyen.annotation.exchange.label_import import import_pairs
from doyen.annotation.quality.decisions import decide
from doyen.annotation.task_types import get_task_type
from doyen.annotation.tasks import text_tasks
from doyen.annotation.texts import PlainText, read_texts
from doyen.annotation.types.descriptions import (
    TYPE_NAMES,
    DescriptionError,
    TaskDescription,
    default_description,
    parse_description,
    read_description,
)
from doyen.annotation.types.typed_labels import Classes
from doyen.core.errors import InputError, RecordError
from doyen.core.records import Pair
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationProjectRow, AnnotationTaskRow
from doyen.core.workspace import Workspace

EXAMPLES = Path(__file__).parents[2] / "examples" / "annotation"
DESK = {"type": "classification", "labels": [{"name": "billing", "examples": ["invoice"]}, {"name": "repair"}]}
NAME = "desk"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_our_examples_are_right(path: Path) -> None:
    description = read_description(path)
    assert get_task_type(description.type, description).config
    assert TaskDescription.model_validate(description.model_dump(mode="json")) == description


def test_what_the_page_shows_is_right() -> None:
    page = (EXAMPLES.parents[1] / "docs" / "task-types.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    found = [parse_description(tomllib.loads(block), "the page").type for block in blocks]
    assert set(found) == set(TYPE_NAMES)


def test_there_is_an_example_of_every_type() -> None:
    assert {read_description(path).type for path in EXAMPLES.glob("*.toml")} == set(TYPE_NAMES)


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path / "wrong.toml",
        """
type = "pos"
multiple = true
relations = ["part of", "part of"]
colour = "red"

[[labels]]
name = "NOUN"
hotkey = "n"
color = "redd"

[[labels]]
name = "NOUN"
hotkey = "N"

[[labels]]
meaning = "no name"

[[labels]]
name = "costs $5: yes"
hotkey = "two keys"
""",
    )
    with pytest.raises(DescriptionError) as caught:
        read_description(path)
    said = "\n".join(caught.value.problems)
    for part in (
        "colour: there is no such key: known ones are type, title",
        "labels.1.color: 'redd' is no colour: write it as #rrggbb",
        "labels.3.name: it is missing",
        "labels.4.name: 'costs $5: yes' cannot be a name",
        "labels.4.hotkey: 'two keys' is no hot key",
        "multiple: a pos task cannot have it",
        "relations: a pos task cannot have them",
        "the name 'NOUN' is used 2 times",
        "the hot key 'n' is used 2 times",
        "the relation 'part of' is used 2 times",
    ):
        assert part in said
    assert len(caught.value.problems) == 10
    assert str(caught.value).startswith(f"{path} has 10 mistakes:\n  - ")


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({}, "type: it is missing"),
        ({"type": "poems"}, "there is no task type 'poems': known ones are prompt-response, classification"),
        ({"type": "entities"}, "labels: there are none: describe at least one label of the entities task"),
        ({"type": "classification", "labels": []}, "labels: there are none"),
        ({"type": "classification", "labels": "billing"}, "labels: expected a list"),
        ({"type": "classification", "labels": [3]}, "labels.1: expected a table in double brackets"),
        ({"type": "prompt-response", "labels": [{"name": "a"}]}, "labels: a prompt-response task has none"),
        ({"type": "classification", "labels": [{"name": "(none)"}]}, "'(none)' cannot be a name"),
        ({"type": "classification", "labels": [{"name": " a"}]}, "' a' cannot be a name"),
        ({"type": "classification", "labels": [{"name": "a\nb"}]}, "cannot be a name"),
    ],
)
def test_each_mistake_is_named(raw: dict[str, Any], problem: str) -> None:
    with pytest.raises(DescriptionError) as caught:
        parse_description(raw, "here")
    assert len(caught.value.problems) == 1
    assert problem in caught.value.problems[0]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_description(tmp_path / "gone.toml")
    with pytest.raises(DescriptionError, match="is not valid TOML"):
        read_description(write(tmp_path / "a.toml", "type = "))
    (tmp_path / "b.toml").write_bytes(b'title = "\xff"')
    with pytest.raises(DescriptionError, match="is not UTF-8"):
        read_description(tmp_path / "b.toml")


def test_what_is_left_out_comes_from_the_default() -> None:
    assert default_description("pos").label_names[-1] == "X"
    own = parse_description({"type": "sentiment", "title": "How did it feel?"}, "here")
    assert own.label_names == ("positive", "neutral", "negative")
    assert own.title == "How did it feel?"
    with pytest.raises(DescriptionError, match=r"the entities task without a description \(--description FILE.toml\)"):
        get_task_type("entities")


# Texts as tasks.


def test_texts_are_read_from_both_formats(tmp_path: Path) -> None:
    texts = ["The invoice\r\nis wrong 😀", 'a "quoted", text']
    lines = [json.dumps({"text": texts[0], "id": 7, "more": 1}), "", json.dumps({"text": texts[1]})]
    assert read_texts(write(tmp_path / "t.jsonl", "\n".join(lines))) == [
        PlainText(texts[0], "7", "t.jsonl"),
        PlainText(texts[1], "3", "t.jsonl"),
    ]
    (tmp_path / "t.csv").write_bytes('\ufefftext,id\r\n"The invoice\r\nis wrong 😀",7\r\n"a ""quoted"", text",\r\n'.encode())
    assert [(found.text, found.id) for found in read_texts(tmp_path / "t.csv")] == [(texts[0], "7"), (texts[1], "4")]


def test_broken_texts_are_named_and_none_is_taken(tmp_path: Path) -> None:
    broken = '{"text": "fine"}\n{"text": " "}\n{"text": 3}\n{"body": "x"}\n[]\n{oops\n'
    with pytest.raises(RecordError) as caught:
        read_texts(write(tmp_path / "b.jsonl", broken))
    for part in (
        "5 broken",
        "line 2: 'text' is empty",
        "line 3: 'text' is no string",
        "among body",
        "line 5: expected",
        "line 6: not",
    ):
        assert part in str(caught.value)
    for name, content, problem in (
        ("c.csv", "body\nx\n", "has no column 'text', but body"),
        ("d.jsonl", "", "holds no texts"),
        ("e.txt", "x", "is neither .jsonl nor .csv"),
    ):
        with pytest.raises(InputError, match=problem):
            read_texts(write(tmp_path / name, content))
    with pytest.raises(InputError, match="cannot be read"):
        read_texts(tmp_path / "gone.csv")


@pytest.fixture
def desk(workspace: Workspace, filled: Store) -> Store:
    """A pushed project with three texts."""
    create_project(workspace, filled, NAME, description=parse_description(DESK, "here"))
    texts = [PlainText(text, str(n), "t.csv") for n, text in enumerate(["My invoice is wrong", "Hello", "Broken invoice"])]
    assert text_tasks(filled, NAME, [*texts, texts[0]]) == 3, "equal texts are one task"
    assert text_tasks(filled, NAME, texts) == 0
    push(workspace, filled, NAME)
    return filled


def label_all(workspace: Workspace, store: Store, answers: dict[str, str]) -> None:
    """Have ada and others give one class to every text."""
    home = workspace.annotation_folder / NAME
    task_type = get_task_type("classification", parse_description(DESK, "here"))
    for person, answer in answers.items():
        lines = []
        for line in (home / "tasks.jsonl").read_text(encoding="utf-8").splitlines():
            task = json.loads(line)
            result = task_type.write(Classes((answer,)), task["data"])
            lines.append(json.dumps({**task, "annotations": [{"id": person, "completed_by": person, "result": result}]}))
        write(home / f"labels-{person}.jsonl", "\n".join(lines))
    assert pull(workspace, store, NAME).problems == []


def test_texts_become_drafted_tasks_and_labels(workspace: Workspace, desk: Store) -> None:
    with desk.session() as session:
        rows = {row.data["text"]: row for row in session.query(AnnotationTaskRow)}
    assert [bool(rows[text].predictions) for text in ("My invoice is wrong", "Hello")] == [True, False]
    assert rows["Hello"].origin == {"file": "t.csv", "id": "1"}
    label_all(workspace, desk, {"ada": "billing"})
    labels = {found.text: found for found in labelled_texts(desk, NAME)}
    assert labels["Hello"].label == Classes(("billing",))
    assert labels["Hello"].meta["id"] == "1"
    pair = next(pair for pair in labelled_pairs(desk, NAME) if pair.prompt.endswith("Text:\nHello"))
    assert (pair.response, pair.source, pair.evidence, pair.annotator) == ("billing", None, [], "ada")


def test_a_decision_stands_for_the_labels_and_gold_stays_out(workspace: Workspace, desk: Store, tmp_path: Path) -> None:
    label_all(workspace, desk, {"ada": "billing", "ben": "repair"})
    uids = {found.text: found.item_id for found in labelled_texts(desk, NAME)}
    task_type = get_task_type("classification", parse_description(DESK, "here"))
    with desk.session() as session:
        task = session.get_one(AnnotationTaskRow, uids["Hello"])
        result = task_type.write(Classes(("repair",)), task.data)
        typed = task_type.understand(result, task.data).to_json()
        decide(session, task.uid, result, typed, method="expert", by="lead", reason="asked", inputs=[], at="2026-01-02")
        known = session.get_one(AnnotationTaskRow, uids["Broken invoice"])
        known.gold, known.gold_typed = result, typed
    found = [(item.text, item.annotator, item.label.labels[0]) for item in labelled_texts(desk, NAME)]
    assert sorted(found) == [
        ("Hello", "lead", "repair"),
        ("My invoice is wrong", "ada", "billing"),
        ("My invoice is wrong", "ben", "repair"),
    ]
    assert len(list(labelled_texts(desk, NAME, decided=False))) == 4
    assert len(list(labelled_texts(desk, NAME, decided=False, gold=True))) == 6
    assert sorted(pair.response for pair in labelled_pairs(desk, NAME)) == ["billing", "repair", "repair"]
    assert export_rows(desk, NAME, tmp_path / "rows.jsonl") == 3
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert {"text": "Hello", "label": "repair", "labels": ["repair"], "annotator": "lead"}.items() <= next(
        row for row in rows if row["text"] == "Hello"
    ).items()


def test_the_description_is_kept_with_the_project(workspace: Workspace, desk: Store) -> None:
    create_project(workspace, desk, NAME)
    with desk.session() as session:
        assert session.get_one(AnnotationProjectRow, NAME).description["labels"][0]["name"] == "billing"
    with pytest.raises(InputError, match="pairs are labels of prompt-response tasks alone"):
        import_pairs(workspace, desk, NAME, [Pair(id="1", prompt="Q", response="A")])
    broken = get_task_type("classification", parse_description(DESK, "here"))
    assert broken.problems([], {"uid": "u", "text": "x"}) == ["no class was chosen"]
    assert read_labels(desk, NAME).pairs == []


def test_chunks_become_tasks_of_any_type(workspace: Workspace, filled: Store) -> None:
    for number, name in enumerate(("sentiment", "coreference", "pos")):
        create_project(workspace, filled, f"chunks {number}", name)
        assert draft_tasks(filled, f"chunks {number}") == 3, "three chunks, each with words"
        assert draft_tasks(filled, f"chunks {number}") == 0
