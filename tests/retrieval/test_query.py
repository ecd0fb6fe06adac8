"""Follow-ups take what they lean on from the conversation."""

from __future__ import annotations

import pytest

from doyen.core.records import Turn
from doyen.retrieval.hybrid import HybridRetriever
from doyen.retrieval.query import standalone_query

ABOUT_FILTER = [
    Turn(role="user", content="How often must the inlet filter of the Corvo 300 be replaced?"),
    Turn(role="assistant", content="Every 14 months, with part AB-1234."),
]
ABOUT_LEAVE = [
    Turn(role="user", content="How many days of leave does an employee have?"),
    Turn(role="assistant", content="27 days a year."),
]


def test_complete_question_is_left_alone() -> None:
    question = "What is the daily meal allowance for employees on travel?"
    assert standalone_query(question, ABOUT_FILTER) == question
    assert standalone_query("And the seal?", []) == "And the seal?"


def test_topic_and_names_are_carried() -> None:
    query = standalone_query("What has to be closed before that?", ABOUT_FILTER)
    assert query.startswith("What has to be closed before that?")
    assert {"filter", "Corvo", "300", "AB-1234"} <= set(query.split())


def test_topic_survives_a_chain_of_follow_ups() -> None:
    history = [*ABOUT_FILTER, Turn(role="user", content="And the seal?"), Turn(role="assistant", content="Each spring.")]
    query = standalone_query("By whom?", history)
    assert "seal" in query
    assert "Corvo" in query


@pytest.mark.model
@pytest.mark.parametrize(
    ("question", "history", "expected"),
    [
        ("What has to be closed before that?", ABOUT_FILTER, "valve V7"),
        ("And where does it go afterwards?", ABOUT_FILTER, "special waste"),
        ("How many of them can I carry over?", ABOUT_LEAVE, "Up to 5 days"),
    ],
)
def test_follow_ups_retrieve(retriever: HybridRetriever, question: str, history: list[Turn], expected: str) -> None:
    passages = retriever.retrieve(standalone_query(question, history), 1)
    assert expected in passages[0].text
