"""The whole way round without a server: tasks and labels as files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from doyen.annotation import (
    Draft,
    Excerpt,
    create_project,
    draft_tasks,
    export_pairs,
    import_pairs,
    labelled_pairs,
    project_status,
    prompt_tasks,
    pull,
    push,
    read_labels,
    redraft_tasks,
)
from doyen.annotation.projects import sync_lock
from doyen.annotation.task_types import get_task_type
from doyen.core.errors import Busy, InputError, NotFoundError, RecordError, StateError
from doyen.core.records import REFUSAL, Pair, read_records
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationRow, AnnotationTaskRow
from doyen.core.workspace import Workspace

NAME = "pumps"


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def write_labels(path: Path, tasks: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(task) + "\n" for task in tasks), encoding="utf-8")


@pytest.fixture
def home(workspace: Workspace, filled: Store) -> Path:
    """A pushed project with drafted tasks; the folder in which its files lie."""
    create_project(workspace, filled, NAME)
    assert draft_tasks(filled, NAME) == 2
    assert push(workspace, filled, NAME).sent == 2
    return workspace.annotation_folder / NAME


def labelled(task: dict[str, object], annotator: str = "ada", **changes: object) -> dict[str, object]:
    """Return the task with an annotation that accepts its draft."""
    annotation = {"id": 1, "completed_by": annotator, "result": task["predictions"][0]["result"], **changes}
    return {**task, "annotations": [annotation]}


def test_round_trip(workspace: Workspace, filled: Store, home: Path) -> None:
    tasks = lines_of(home / "tasks.jsonl")
    draft = next(task for task in tasks if task["data"]["source"] == "manual.md")
    assert "410-778" in draft["predictions"][0]["result"][0]["value"]["text"]
    write_labels(home / "labels.jsonl", [labelled(task, updated_at="2026-01-02T03:04:05Z") for task in tasks])
    report = pull(workspace, filled, NAME)
    assert (report.added, report.updated, report.removed, report.problems) == (2, 0, 0, [])
    pair = next(pair for pair in labelled_pairs(filled, NAME) if pair.source == "manual.md")
    assert pair.evidence == [pair.response] == ["The sample pump PN 410-778 must be replaced every 4,000 operating hours."]
    assert (pair.annotator, pair.created_at, pair.group) == ("ada", "2026-01-02T03:04:05Z", draft["data"]["uid"])
    assert project_status(filled, NAME).tasks == {"labelled": 2}
    again = pull(workspace, filled, NAME)
    assert (again.added, again.updated, again.removed) == (0, 0, 0)


def test_pushing_and_drafting_twice_adds_nothing(workspace: Workspace, filled: Store, home: Path) -> None:
    before = (home / "tasks.jsonl").read_bytes()
    assert draft_tasks(filled, NAME) == 0
    report = push(workspace, filled, NAME)
    assert (report.sent, report.already_there) == (0, 0)
    assert (home / "tasks.jsonl").read_bytes() == before


def test_a_torn_line_of_a_killed_push_is_written_again(workspace: Workspace, filled: Store, home: Path) -> None:
    tasks = home / "tasks.jsonl"
    whole = tasks.read_bytes()
    tasks.write_bytes(whole[:-20])
    with filled.session() as session:
        for row in session.scalars(select(AnnotationTaskRow)):
            row.state = "created"
    report = push(workspace, filled, NAME)
    assert (report.sent, report.already_there) == (1, 1)
    assert tasks.read_bytes() == whole


def test_versions_are_kept_and_come_back(workspace: Workspace, filled: Store, home: Path) -> None:
    task = lines_of(home / "tasks.jsonl")[0]
    first = labelled(task)
    changed = json.loads(json.dumps(first))
    changed["annotations"][0]["result"][-1]["value"]["text"] = ["A better answer."]
    path = home / "labels.jsonl"
    responses = []
    for version in (first, changed, first):
        write_labels(path, [version])
        pull(workspace, filled, NAME)
        responses.append(labelled_pairs(filled, NAME)[0].response)
    assert responses[1] == "A better answer."
    assert responses[0] == responses[2] != responses[1]
    write_labels(path, [{**task, "annotations": []}])
    assert pull(workspace, filled, NAME).removed == 1
    assert labelled_pairs(filled, NAME) == []
    with filled.session() as session:
        assert [row.current for row in session.scalars(select(AnnotationRow))] == [False, False]
    assert project_status(filled, NAME).tasks == {"pushed": 2}


def test_a_label_studio_export_and_a_second_persons_file_are_read(workspace: Workspace, filled: Store, home: Path) -> None:
    tasks = lines_of(home / "tasks.jsonl")
    (home / "labels-export.json").write_text(
        json.dumps([labelled(tasks[0], completed_by={"id": 3, "email": "ada@example.com"})])
    )
    write_labels(home / "labels-ben.jsonl", [labelled(tasks[0], annotator="ben", id=2), labelled(tasks[1], was_cancelled=True)])
    report = pull(workspace, filled, NAME)
    assert (report.added, report.skipped) == (2, 1)
    assert project_status(filled, NAME).annotators == {"ada@example.com": 1, "ben": 1}


def test_a_task_gone_from_the_files_loses_its_labels_but_not_their_record(
    workspace: Workspace, filled: Store, home: Path
) -> None:
    tasks = lines_of(home / "tasks.jsonl")
    write_labels(home / "labels.jsonl", [labelled(task) for task in tasks])
    pull(workspace, filled, NAME)
    write_labels(home / "tasks.jsonl", tasks[:1])
    write_labels(home / "labels.jsonl", [labelled(tasks[0])])
    report = pull(workspace, filled, NAME)
    assert (report.deleted_tasks, report.removed) == (1, 1)
    assert project_status(filled, NAME).tasks == {"deleted": 1, "labelled": 1}
    assert push(workspace, filled, NAME).sent == 0


def test_an_invalid_label_is_reported_and_left_out(workspace: Workspace, filled: Store, home: Path) -> None:
    tasks = lines_of(home / "tasks.jsonl")
    broken = labelled(tasks[0])
    broken["annotations"][0]["result"][0]["value"]["end"] = 10_000
    write_labels(home / "labels.jsonl", [broken, labelled(tasks[1])])
    report = pull(workspace, filled, NAME)
    assert len(report.problems) == 1
    assert "lies outside the passage" in report.problems[0]
    labels = read_labels(filled, NAME)
    assert (len(labels.pairs), labels.problems) == (1, report.problems)


def test_a_broken_labels_line_is_named_and_nothing_taken(workspace: Workspace, filled: Store, home: Path) -> None:
    task = labelled(lines_of(home / "tasks.jsonl")[0])
    (home / "labels.jsonl").write_text(json.dumps(task) + "\n{broken\n")
    with pytest.raises(RecordError, match=r"labels\.jsonl, line 2: not valid JSON"):
        pull(workspace, filled, NAME)
    assert labelled_pairs(filled, NAME) == []


def test_given_prompts_become_tasks_on_the_likeliest_chunk(workspace: Workspace, filled: Store) -> None:
    create_project(workspace, filled, NAME)
    prompts = [("When does the sample pump need replacing?", "manual.md"), ("Who is the boss?", None)]
    assert prompt_tasks(filled, NAME, prompts) == 2
    assert prompt_tasks(filled, NAME, prompts) == 0
    with filled.session() as session:
        rows = {row.data["prompt"]: row for row in session.scalars(select(AnnotationTaskRow))}
    assert rows[prompts[0][0]].chunk_id == "manual.md-1"
    assert rows[prompts[1][0]].data["text"] == ""


def test_a_drafter_can_be_brought_along(workspace: Workspace, filled: Store) -> None:
    class Fixed:
        version = "model-7"

        def draft(self, excerpt: Excerpt) -> Draft | None:
            return Draft.of_answer(excerpt.text, "What?", "This.", 0.9, evidence=(excerpt.text[:4], "not in the passage"))

    create_project(workspace, filled, NAME)
    assert draft_tasks(filled, NAME, drafter=Fixed(), limit=2) == 2
    with filled.session() as session:
        rows = list(session.scalars(select(AnnotationTaskRow)))
    assert {row.data["source"] for row in rows} == {"manual.md", "lines.md"}, "documents take turns"
    assert {(row.predictions[0]["model_version"], row.predictions[0]["score"]) for row in rows} == {("model-7", 0.9)}
    assert [region["from_name"] for region in rows[0].predictions[0]["result"]] == ["evidence", "prompt", "response"]


def test_open_tasks_are_drafted_anew(workspace: Workspace, filled: Store, home: Path) -> None:
    tasks = lines_of(home / "tasks.jsonl")
    write_labels(home / "labels.jsonl", [labelled(tasks[0])])
    pull(workspace, filled, NAME)

    class Trained:
        version = "model-8"

        def __init__(self, question: str) -> None:
            self._question = question

        def draft(self, excerpt: Excerpt) -> Draft:
            return Draft.of_answer(excerpt.text, self._question, "This.", 0.2)

    assert redraft_tasks(filled, NAME, Trained("Something else?")) == 0
    assert redraft_tasks(filled, NAME, Trained(tasks[1]["data"]["prompt"])) == 1
    with filled.session() as session:
        after = {row.uid: row.predictions for row in session.scalars(select(AnnotationTaskRow))}
    done, still_open = (task["data"]["uid"] for task in tasks)
    versions = {uid: [draft["model_version"] for draft in drafts] for uid, drafts in after.items()}
    assert versions == {done: ["rules-1"], still_open: ["model-8"]}
    assert push(workspace, filled, NAME, scores=True).scores == 1


def test_the_rules_ask_what_the_sentence_answers() -> None:
    def draft(text: str) -> Draft | None:
        return get_task_type("prompt-response").draft(Excerpt(text, "faq.md", "d", "v", "c", 0, heading="A > Filters"))

    assert draft("Welcome to the filters.") is None
    found = draft("Hello there friends.\n- The calibration interval is 12 months for all devices.")
    assert found is not None
    assert found.label.prompt == "What is the calibration interval?"
    assert [span.text for span in found.label.evidence] == ["The calibration interval is 12 months for all devices."]
    assert draft("Replace it after 300 hours of use at most.").label.prompt == "What does “Filters” say?"


def test_imported_pairs_come_out_as_they_went_in(workspace: Workspace, filled: Store, tmp_path: Path) -> None:
    quote = "must be replaced every 4,000 operating hours.\r\nThe flow is 1.2 L/min 😀 at 20 °C."
    pairs = [
        Pair(
            id="p1",
            prompt="How often?",
            response="Every 4,000 h",
            source="manual.md",
            evidence=[quote],
            annotator="ada",
            group="g1",
        ),
        Pair(id="p2", prompt="How often is it?", response=REFUSAL, annotator="ben", group="g1", created_at="2026-01-01"),
        Pair(id="p3", prompt="Across?", response="Yes", source="manual.md", evidence=["pump\n\nThe sample"], group="g2"),
        Pair(id="p4", prompt="Unknown?", response="Yes", source="gone.md", evidence=["a quote"], group="g3"),
    ]
    create_project(workspace, filled, NAME)
    report = import_pairs(workspace, filled, NAME, pairs)
    assert (report.added, report.unplaced_quotes, report.without_document) == (4, 1, 1)
    assert labelled_pairs(filled, NAME) == pairs
    assert export_pairs(filled, NAME, tmp_path / "out.jsonl").problems == []
    assert read_records(tmp_path / "out.jsonl", Pair) == pairs
    with filled.session() as session:
        texts = {row.data["group"]: (row.data["text"], row.data["start"]) for row in session.scalars(select(AnnotationTaskRow))}
    assert quote in texts["g1"][0]
    assert texts["g2"][0].startswith("Sample pump"), "evidence across two chunks shows both"
    assert project_status(filled, NAME).annotators == {"ada": 1, "ben": 1, "unknown": 2}


def test_importing_again_changes_nothing_and_a_changed_pair_is_a_new_version(workspace: Workspace, filled: Store) -> None:
    create_project(workspace, filled, NAME)
    pair = Pair(id="p1", prompt="How often?", response="Daily", source="manual.md", annotator="ada")
    import_pairs(workspace, filled, NAME, [pair])
    assert import_pairs(workspace, filled, NAME, [pair]).unchanged == 1
    changed = pair.model_copy(update={"response": "Weekly"})
    assert import_pairs(workspace, filled, NAME, [changed]).updated == 1
    assert [found.response for found in labelled_pairs(filled, NAME)] == ["Weekly"]
    assert project_status(filled, NAME).versions == 2
    push(workspace, filled, NAME)
    report = pull(workspace, filled, NAME)
    assert (report.removed, report.deleted_tasks) == (0, 0), "imported labels live here and no pull touches them"
    assert len(labelled_pairs(filled, NAME)) == 1


def test_wrong_use_is_named(workspace: Workspace, filled: Store) -> None:
    with pytest.raises(InputError, match="cannot be a project's name"):
        create_project(workspace, filled, "a/b")
    with pytest.raises(NotFoundError, match="no task type 'poems'"):
        create_project(workspace, filled, NAME, "poems")
    with pytest.raises(NotFoundError, match="doyen annotate create --project pumps"):
        push(workspace, filled, NAME)
    create_project(workspace, filled, NAME)
    with sync_lock(workspace, NAME), pytest.raises(Busy, match="syncing project 'pumps'"):
        push(workspace, filled, NAME)
    (workspace.annotation_folder / NAME / "tasks.jsonl").unlink()
    with pytest.raises(StateError, match=r"tasks\.jsonl is gone"):
        pull(workspace, filled, NAME)
