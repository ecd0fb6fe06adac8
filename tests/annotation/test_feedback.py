"""A thumb down or a correction becomes a filled-in task; once labelled it is a training pair that leads back to the answer."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from doyen.annotation import create_project, labelled_pairs, project_status, pull, push
from doyen.annotation.feedback_tasks import feedback_tasks
from doyen.core.answers import Answer, Passage, Timings, Usage
from doyen.core.records import REFUSAL, Question, Turn
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationTaskRow, AnswerRow, DocumentVersionRow, FeedbackRow
from doyen.core.text import question_hash
from doyen.core.workspace import Workspace
from doyen.platform.serving.answer_store import record_answer

NAME = "from the chat"


def passage(source: str, text: str, start: int) -> Passage:
    return Passage(f"{source}-0", f"doc-{source}", "v1", source, start, start + len(text), 2, "Pumps", 1.0, text, {})


def answer_of(answer_id: str, question: str, text: str, passages: list[Passage]) -> Answer:
    fields = {"mode": "rag", "model": "m", "adapter": None, "abstained": text == REFUSAL, "citations": [], "passages": passages}
    spent = {"usage": Usage(), "timings": Timings(0, 0, 0), "finish_reason": "stop"}
    return Answer(question=question, answer=text, answer_id=answer_id, **fields, **spent)


@pytest.fixture
def asked(workspace: Workspace, store: Store) -> Store:
    """A project, and four answers of which three were found wrong."""
    create_project(workspace, store, NAME)
    passages = [
        passage("manual.md", "The seal is replaced yearly. 😀", 10),
        passage("notes.md", "Since May: every 4,000 h.", 0),
    ]
    told = {
        "a1": ("How often is the seal replaced?", "Yearly."),
        "a2": ("What is  ＰＮ 7?", "A pump."),
        "a3": ("And the lamp?", REFUSAL),
        "a4": ("Fine?", "Yes."),
    }
    history = [Turn(role="user", content="Hello"), Turn(role="assistant", content="Hello!")]
    for answer_id, (question, text) in told.items():
        record_answer(store, answer_of(answer_id, question, text, passages if answer_id == "a1" else []), history)
    with store.session() as session:
        for feedback_id, answer_id, rating, correction, comment in (
            ("f1", "a1", -1, None, "outdated"),
            ("f2", "a1", 0, "Every 4,000 h.", None),
            ("f3", "a2", -1, None, None),
            ("f4", "a3", -1, None, None),
            ("f5", "a4", 1, None, "good"),
        ):
            row = FeedbackRow(
                feedback_id=feedback_id, answer_id=answer_id, rating=rating, correction=correction, comment=comment
            )
            row.created_at = f"2026-02-{feedback_id}"
            session.add(row)
    return store


def rows(store: Store) -> dict[str, AnnotationTaskRow]:
    with store.session() as session:
        return {str(row.origin["answer_id"]): row for row in session.scalars(select(AnnotationTaskRow)) if row.origin}


def test_what_was_wrong_becomes_a_task_with_all_that_is_known(asked: Store) -> None:
    report = feedback_tasks(asked, NAME)
    assert (report.answers, report.made, report.known, report.frozen) == (3, 3, 0, 0)
    made = rows(asked)
    data, draft = made["a1"].data, made["a1"].predictions[0]
    assert data["text"] == "The seal is replaced yearly. 😀\n\nSince May: every 4,000 h."
    assert [data["text"][place["at"] :][: place["length"]] for place in data["passages"]] == data["text"].split("\n\n")
    for said in ("[assistant, rag] Yearly.", "thumb down · outdated", "correction: Every 4,000 h.", "[user] Hello"):
        assert said in data["conversation"]
    assert data["history"][0] == {"role": "user", "content": "Hello"}
    texts = {region["from_name"]: region["value"]["text"] for region in draft["result"]}
    assert texts == {"prompt": ["How often is the seal replaced?"], "response": ["Every 4,000 h."]}
    assert draft["score"] == 0.0, "served first"
    assert made["a1"].origin == {"feedback_id": "f2", "answer_id": "a1"}
    assert "response" not in {region["from_name"] for region in made["a3"].predictions[0]["result"]}, "a refusal is no draft"


def test_repeating_adds_nothing_and_frozen_questions_stay_out(asked: Store) -> None:
    frozen = [Question(id="q1", question="what is pn 7?", answers=["x"])]
    assert question_hash("What is  ＰＮ 7?") == question_hash("what is pn 7?") != question_hash("what is pn 8?")
    first, second = (feedback_tasks(asked, NAME, frozen) for _ in range(2))
    assert (first.made, first.frozen) == (2, 1)
    assert (second.made, second.known, second.frozen) == (0, 2, 1)
    assert set(rows(asked)) == {"a1", "a3"}


def test_once_labelled_it_is_a_pair_that_leads_back_to_the_answer(workspace: Workspace, asked: Store) -> None:
    feedback_tasks(asked, NAME)
    assert push(workspace, asked, NAME).sent == 3
    home = workspace.annotation_folder / NAME
    tasks = [json.loads(line) for line in (home / "tasks.jsonl").read_text(encoding="utf-8").splitlines()]
    task = next(task for task in tasks if task["data"]["prompt"].startswith("How often"))
    quote = "every 4,000 h"
    start = task["data"]["text"].index(quote)
    marked = {"start": start, "end": start + len(quote), "text": quote, "labels": ["evidence"]}
    region = {"id": "e1", "from_name": "evidence", "to_name": "passage", "type": "labels", "value": marked}
    task["annotations"] = [{"id": 1, "completed_by": "ada", "result": [region, *task["predictions"][0]["result"]]}]
    (home / "labels.jsonl").write_text(json.dumps(task) + "\n")
    assert pull(workspace, asked, NAME).problems == []
    (pair,) = labelled_pairs(asked, NAME)
    assert (pair.response, pair.evidence, pair.history[0].content) == ("Every 4,000 h.", [quote], "Hello")
    assert pair.source == "notes.md", "the document in which the evidence was marked"
    with asked.session() as session:
        origin = session.get_one(AnnotationTaskRow, pair.group).origin
        assert session.get_one(AnswerRow, origin["answer_id"]).answer == "Yearly."
    assert project_status(asked, NAME).tasks == {"labelled": 1, "pushed": 2}


def test_answers_that_older_versions_stored_become_tasks_and_one_that_is_broken_holds_up_none(
    asked: Store, filled: Store
) -> None:
    """Older answers hold passages without version and heading, as ``doyen search --json`` shows them."""
    with asked.session() as session:
        text = session.scalars(select(DocumentVersionRow)).first().text
    place = {"chunk_id": "manual.md-1", "document_id": "doc-manual.md", "source": "manual.md", "start": 13, "end": 60}
    shown = {**place, "page": None, "score": 1.0, "text": text[13:60]}
    with asked.session() as session:
        session.get_one(AnswerRow, "a1").passages = [shown]
        session.get_one(AnswerRow, "a2").passages = [{"text": "no place"}]
    report = feedback_tasks(asked, NAME)
    assert (report.answers, report.made) == (3, 2)
    assert len(report.problems) == 1
    assert "a2" in report.problems[0]
    made = rows(asked)
    assert made["a1"].version == "v1"
    assert made["a1"].data["passages"][0]["version"] == "v1"
