"""What is settled, withdrawn and sent to an expert, and what a review project is not for; in files, without a server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from doyen.annotation import (
    Excerpt,
    LabelDescription,
    OrphanedLabels,
    TaskDescription,
    create_project,
    draft_tasks,
    get_project,
    import_pairs,
    labelled_texts,
    prompt_tasks,
    pull,
    push,
)
from doyen.annotation.backend import RemoteTask
from doyen.annotation.exchange.label_import import store_labels
from doyen.annotation.feedback_tasks import feedback_tasks
from doyen.annotation.files.folder import FilesBackend
from doyen.annotation.projects import connect, sync_lock
from doyen.annotation.pulled_labels import PullReport, store_changes, withdraw_deleted
from doyen.annotation.quality.gold import gold_labels, seed_gold
from doyen.annotation.quality.review import accept_consensus, find_disputes, review_name, send_to_review
from doyen.annotation.store import new_task_row, task_type_of
from doyen.annotation.tasks import task_data, text_tasks
from doyen.annotation.texts import PlainText
from doyen.annotation.types.typed_labels import Classes, LabelError, LabelledText
from doyen.core.errors import InputError, NotFoundError, StateError
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationRow, AnnotationTaskRow, DecisionRow
from doyen.core.workspace import Workspace
from doyen.platform.cli.annotate_command import app

NAME = "topics"
REVIEW = "topics review"
TEXTS = tuple(f"Text number {number} is about a part." for number in range(12))
Say = Callable[..., None]


def description(*labels: str) -> TaskDescription:
    return TaskDescription(type="classification", labels=tuple(LabelDescription(name=label) for label in labels))


@pytest.fixture
def project(workspace: Workspace, store: Store) -> Store:
    """A project of files with a task for each text."""
    create_project(workspace, store, NAME, description=description("pump", "line", "other"))
    text_tasks(store, NAME, [PlainText(text, text, "t") for text in TEXTS])
    return store


@pytest.fixture
def say(workspace: Workspace, project: Store) -> Say:
    """Have annotators label the text of that number: ``say(0, ada="pump", ben="line")``."""

    def say(number: int, **answers: str) -> None:
        with project.session() as session:
            task = next(row for row in session.scalars(select(AnnotationTaskRow)) if row.data["text"] == TEXTS[number])
        labels = [LabelledText(task.uid, TEXTS[number], Classes((answer,)), name) for name, answer in answers.items()]
        store_labels(workspace, project, NAME, labels)

    return say


def decisions(store: Store, *, current: bool = True) -> dict[str, str]:
    """Return what each text was decided to be."""
    query = select(DecisionRow, AnnotationTaskRow).join(AnnotationTaskRow, AnnotationTaskRow.uid == DecisionRow.task_uid)
    with store.session() as session:
        rows = list(session.execute(query.where(DecisionRow.current == current)))
    return {task.data["text"]: row.result[0]["value"]["choices"][0] for row, task in rows}


def test_a_share_of_the_disputes_leaves_the_others_unsettled(project: Store, say: Say) -> None:
    say(0, ada="pump", ben="line")
    say(1, ada="other", ben="line")
    for number in range(2, 6):
        say(number, ada="pump", ben="pump")
    sent = find_disputes(project, NAME, share=0.01)
    assert len(sent) == 1
    assert accept_consensus(project, NAME, sent) == 4
    assert set(decisions(project)) == set(TEXTS[2:6])
    assert accept_consensus(project, NAME, sent, threshold=0.0) == 0, "of two equal answers the alphabet does not decide"


def test_annotators_are_trusted_by_gold_items_when_consensus_decides(project: Store, say: Say) -> None:
    for number in range(8):
        say(number, ada="line", ben="pump", eve="pump")
    seed_gold(project, NAME, [LabelledText(text, text, Classes(("line",))) for text in TEXTS[:8]])
    say(8, ada="line", ben="pump", eve="pump")
    accept_consensus(project, NAME, threshold=0.0)
    assert decisions(project) in ({}, {TEXTS[8]: "line"}), "two who are always wrong do not outvote one who is right"


def test_a_consensus_is_withdrawn_when_its_task_becomes_disputed_or_loses_labels(project: Store, say: Say) -> None:
    for number in range(3):
        say(number, ada="pump", ben="pump")
    assert accept_consensus(project, NAME) == 3
    say(0, ben="line")
    with project.session() as session:
        task = next(row for row in session.scalars(select(AnnotationTaskRow)) if row.data["text"] == TEXTS[1])
        session.scalars(
            select(AnnotationRow).where(AnnotationRow.task_uid == task.uid, AnnotationRow.annotator == "ben")
        ).one().current = False
    assert accept_consensus(project, NAME, find_disputes(project, NAME)) == 0
    assert set(decisions(project)) == {TEXTS[2]}
    assert set(decisions(project, current=False)) == {TEXTS[0], TEXTS[1]}, "they are kept"
    said = {(item.text, item.label) for item in labelled_texts(project, NAME)}
    assert (TEXTS[0], Classes(("line",))) in said


def test_a_review_project_takes_no_other_projects_name_and_long_names_do_not_meet(
    workspace: Workspace, project: Store, say: Say
) -> None:
    create_project(workspace, project, REVIEW, description=description("pump", "line"))
    with pytest.raises(InputError, match="is no review of it"):
        send_to_review(workspace, project, NAME, [])
    assert get_project(project, REVIEW).purpose == "annotation"
    long = "a" * 45
    names = {review_name(f"{long}{end}") for end in ("1", "2")}
    assert len(names) == 2
    assert {len(name) for name in names} == {50}


def test_a_review_project_takes_nothing_but_disputed_tasks(workspace: Workspace, project: Store, say: Say) -> None:
    say(0, ada="pump", ben="line")
    send_to_review(workspace, project, NAME, find_disputes(project, NAME))
    for refused in (
        lambda: create_project(workspace, project, REVIEW, description=description("pump", "line", "other", "more")),
        lambda: seed_gold(project, REVIEW, []),
        lambda: draft_tasks(project, REVIEW),
        lambda: prompt_tasks(project, REVIEW, []),
        lambda: text_tasks(project, REVIEW, []),
        lambda: feedback_tasks(project, REVIEW),
        lambda: import_pairs(workspace, project, REVIEW, []),
    ):
        with pytest.raises(
            InputError, match=r"'topics review' (is a review project|reviews 'topics' .*adjudicate --project topics)"
        ):
            refused()
    assert get_project(project, REVIEW).purpose == "review"


def test_a_task_of_unknown_origin_in_a_review_project_stops_no_pull(workspace: Workspace, project: Store, say: Say) -> None:
    say(0, ada="pump", ben="line")
    send_to_review(workspace, project, NAME, find_disputes(project, NAME))
    with project.session() as session:
        excerpt = Excerpt("Text.", source="", document_id="", version="", chunk_id="", start=0)
        session.add(new_task_row(REVIEW, task_data("odd", excerpt, "")))
    assert pull(workspace, project, REVIEW).decisions == 0


def test_a_deleted_review_project_names_the_command_that_makes_it_again(workspace: Workspace, project: Store, say: Say) -> None:
    say(0, ada="pump", ben="line")
    disputes = find_disputes(project, NAME)
    send_to_review(workspace, project, NAME, disputes)
    shutil.rmtree(workspace.annotation_folder / REVIEW)
    with pytest.raises(StateError, match="doyen annotate adjudicate"):
        pull(workspace, project, REVIEW)
    send_to_review(workspace, project, NAME, disputes)
    assert (workspace.annotation_folder / REVIEW / "tasks.jsonl").read_text().count("\n") == 1


@pytest.mark.parametrize("act", [push, pull])
def test_a_project_that_cannot_exist_leaves_no_lock_behind(
    workspace: Workspace, project: Store, act: Callable[..., object]
) -> None:
    with pytest.raises(NotFoundError):
        act(workspace, project, "x/../../../outside")
    with pytest.raises(InputError, match="cannot be a project's name"), sync_lock(workspace, "x/../../../outside"):
        pass
    assert not list(workspace.root.parent.rglob("*outside*"))


def tasks_of(store: Store, text: str) -> list[AnnotationTaskRow]:
    with store.session() as session:
        return [row for row in session.scalars(select(AnnotationTaskRow)) if row.data["text"] == text]


def test_gold_items_are_checked_before_anything_is_stored(project: Store) -> None:
    right = LabelledText("right", TEXTS[0], Classes(("line",)))
    with pytest.raises(LabelError, match=r"item 2 \(wrong\): .*tube"):
        seed_gold(project, NAME, [right, LabelledText("wrong", TEXTS[1], Classes(("tube",)))])
    assert gold_labels(project, NAME) == {}


def test_a_description_keeps_what_gold_items_use(workspace: Workspace, project: Store) -> None:
    seed_gold(project, NAME, [LabelledText("g", TEXTS[0], Classes(("line",)))])
    with pytest.raises(OrphanedLabels, match="'line' of"):
        create_project(workspace, project, NAME, description=description("pump", "other"))


def test_every_task_of_the_same_text_becomes_gold(project: Store) -> None:
    with project.session() as session:
        excerpt = Excerpt(TEXTS[0], source="", document_id="", version="", chunk_id="", start=0)
        session.add(new_task_row(NAME, task_data("twin", excerpt, "")))
    items = [LabelledText("g", TEXTS[0], Classes(("line",)))]
    assert seed_gold(project, NAME, items).hidden == 1
    assert [row.gold is not None for row in tasks_of(project, TEXTS[0])] == [True, True]
    assert seed_gold(project, NAME, items).unchanged == 1


def test_gold_for_a_deleted_task_is_sent_again_and_other_deleted_tasks_stay_so(workspace: Workspace, project: Store) -> None:
    push(workspace, project, NAME)
    path = workspace.annotation_folder / NAME / "tasks.jsonl"
    path.write_text("".join(line for line in path.open() if TEXTS[0] not in line and TEXTS[1] not in line))
    assert pull(workspace, project, NAME).deleted_tasks == 2
    seed_gold(project, NAME, [LabelledText("g", TEXTS[0], Classes(("line",)))])
    assert push(workspace, project, NAME).sent == 1
    assert path.read_text().count(TEXTS[0]) == 1
    shutil.rmtree(path.parent)
    create_project(workspace, project, NAME)
    assert push(workspace, project, NAME).sent == len(TEXTS) - 1
    assert [row.state for row in tasks_of(project, TEXTS[1])] == ["deleted"]


def answer_review(workspace: Workspace, store: Store, **answers: str) -> None:
    """Have people answer the only task of the review project; a name stands for an address at example.com."""
    home = workspace.annotation_folder / REVIEW
    task = json.loads((home / "tasks.jsonl").read_text())
    task_type = task_type_of(get_project(store, NAME))
    why = {"id": "why", "from_name": "reason", "to_name": "text", "type": "textarea", "value": {"text": ["It says so."]}}
    given = [
        {"id": name, "completed_by": f"{name}@example.com", "result": [*task_type.write(Classes((label,)), task["data"]), why]}
        for name, label in answers.items()
    ]
    (home / "labels.jsonl").write_text(json.dumps({**task, "annotations": given}) + "\n")


def test_another_expert_can_be_asked_and_who_was_not_asked_is_told(workspace: Workspace, project: Store, say: Say) -> None:
    say(0, ada="pump", ben="line")
    disputes = find_disputes(project, NAME)
    send_to_review(workspace, project, NAME, disputes, expert="first@example.com")
    answer_review(workspace, project, second="line")
    report = pull(workspace, project, REVIEW)
    (problem,) = report.problems
    assert "label of second@example.com" in problem
    assert "first@example.com was asked" in problem
    assert (report.decisions, decisions(project)) == (0, {})
    send_to_review(workspace, project, NAME, disputes)
    assert pull(workspace, project, REVIEW).decisions == 0, "the expert stays who was asked"
    send_to_review(workspace, project, NAME, [], expert="Second@Example.com")
    assert pull(workspace, project, REVIEW).decisions == 1
    assert decisions(project) == {TEXTS[0]: "line"}
    send_to_review(workspace, project, NAME, disputes, expert="first@example.com")
    pull(workspace, project, REVIEW)
    assert decisions(project) == {TEXTS[0]: "line"}, "what was decided stays so"


def test_a_deletion_is_found_behind_a_task_that_was_added_long_ago(workspace: Workspace, project: Store) -> None:
    push(workspace, project, NAME)
    asked: list[str] = []

    class Place(FilesBackend):
        """Files that say whenever all ids are asked for."""

        def known_uids(self, project_id: str) -> dict[str, set[str]]:
            asked.append(project_id)
            return super().known_uids(project_id)

    def reconcile(*changed: RemoteTask) -> int:
        connection = replace(connect(workspace, project, NAME), backend=Place(workspace.annotation_folder))
        report = PullReport(NAME, "files")
        store_changes(connection, changed, report)
        withdraw_deleted(connection, path.read_text().count("\n"), report)
        return report.deleted_tasks

    path = workspace.annotation_folder / NAME / "tasks.jsonl"
    path.write_text(path.read_text() + json.dumps({"data": {"text": "by hand"}}) + "\n")
    assert reconcile(RemoteTask("99", None)) == 0
    path.write_text("".join(line for line in path.open() if TEXTS[0] not in line))
    assert reconcile() == 1
    assert len(asked) == 2
    assert reconcile() == 0
    assert len(asked) == 2, "nothing has changed"


def test_stale_tasks_are_not_sent(workspace: Workspace, project: Store) -> None:
    with project.session() as session:
        session.get_one(AnnotationTaskRow, tasks_of(project, TEXTS[0])[0].uid).stale = "changed"
    report = push(workspace, project, NAME)
    assert (report.sent, report.already_there, report.stale) == (len(TEXTS) - 1, 0, 1)
    assert TEXTS[0] not in (workspace.annotation_folder / NAME / "tasks.jsonl").read_text()


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, (done.output, done.exception)
    return str(done.stdout)


def test_the_commands_say_what_was_lost_and_what_was_not_sent(tmp_path: Path, workspace: Workspace, project: Store) -> None:
    file = tmp_path / "gold.jsonl"
    file.write_text(json.dumps({"id": 1, "text": TEXTS[0], "label": ["line"], "mood": "sunny"}) + "\n")
    said = json.loads(run("gold", file, "--project", NAME, "--json", "--workspace", workspace.root))
    assert set(said["losses"]) == {"fields", "records"}
    assert not {"fields", "records"} & set(said)
    with project.session() as session:
        session.get_one(AnnotationTaskRow, tasks_of(project, TEXTS[1])[0].uid).stale = "changed"
    assert "\n1 tasks were not sent" in run("push", "--project", NAME, "--workspace", workspace.root)
