"""Frozen questions: loading, hashing, sampling."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doyen.core.errors import RecordError, UsageError
from doyen.core.records import Question
from doyen.core.store import Store
from doyen.core.store.schema import DocumentRow
from doyen.eval.questions import load_questions, questions_sha256, resolve_duplicates, sample, without_tag

QUILLANE = Path(__file__).resolve().parents[2] / "examples" / "quillane" / "questions.jsonl"
TAGS = st.lists(st.sampled_from(["seen-document", "unseen-document", "follow-up", "unanswerable"]), unique=True, max_size=2)


def make(number: int, tags: list[str]) -> Question:
    return Question(id=str(number), question=f"q{number}", answers=["a"], tags=tags)


@settings(max_examples=60, deadline=None)
@given(tags=st.lists(TAGS, min_size=1, max_size=60), n=st.integers(1, 70), seed=st.integers(0, 3))
def test_a_sample_is_of_the_asked_size_in_order_and_hears_every_kind(tags: list[list[str]], n: int, seed: int) -> None:
    questions = [make(number, own) for number, own in enumerate(tags)]
    chosen = sample(questions, n, seed)
    assert len(chosen) == min(n, len(questions))
    assert [int(question.id) for question in chosen] == sorted(int(question.id) for question in chosen)
    assert chosen == sample(questions, n, seed)
    kinds = {tuple(sorted(question.tags)) for question in questions}
    if n >= len(kinds):
        assert {tuple(sorted(question.tags)) for question in chosen} == kinds


def test_forty_of_the_example_hear_every_tag_in_proportion() -> None:
    questions = without_tag(load_questions(QUILLANE), "development")
    chosen = sample(questions, 40, 17)
    for tag in {tag for question in questions for tag in question.tags}:
        share = sum(tag in question.tags for question in questions) / len(questions)
        count = sum(tag in question.tags for question in chosen)
        assert count >= 1
        assert abs(count - 40 * share) <= 3


def test_another_seed_is_another_sample() -> None:
    questions = [make(number, []) for number in range(100)]
    assert sample(questions, 10, 1) != sample(questions, 10, 2)


def test_a_sample_of_none_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        sample([make(1, [])], 0, 0)


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"id": "1", "question": "x", "answer": "y"}\n{"id": "2", "question": ""}\n')
    with pytest.raises(RecordError, match="line 2"):
        load_questions(tmp_path / "q.jsonl")


def test_the_hash_freezes_what_is_asked_and_what_is_expected() -> None:
    question = make(1, [])
    edited = question.model_copy(update={"answers": ["b"]})
    assert questions_sha256([question]) != questions_sha256([edited])
    # A mended reference needs no new answer, a changed conversation does.
    assert question.asked_hash == edited.asked_hash
    asked = Question(id="1", question="q1", answers=["a"], history=[{"role": "user", "content": "before"}])
    assert question.asked_hash != asked.asked_hash


def test_questions_on_an_exact_duplicate_look_at_the_indexed_twin(store: Store) -> None:
    with store.session() as session:
        for name, twin in (("a.md", None), ("copy.md", "id-a.md")):
            session.add(
                DocumentRow(
                    document_id=f"id-{name}", source=name, root="", version="v", title="", media_type="text/plain", size=1,
                    modified_ns=0, settings_fingerprint="", duplicate_of=twin, near_group="g", ingested_at="",
                )
            )  # fmt: skip
    asked = [Question(id=name, question="?", answers=["x"], source=name) for name in ("a.md", "copy.md", "gone.md")]
    assert [question.source for question in resolve_duplicates(asked, store)] == ["a.md", "a.md", "gone.md"]


def test_the_demo_asks_enough_that_has_no_answer_and_nothing_of_the_development_third() -> None:
    asked = sample(without_tag(load_questions(QUILLANE), "development"), 40, 17, unanswerable=8)
    assert len(asked) == 40
    assert sum(not question.answerable for question in asked) >= 8
    assert not any(int(hashlib.sha256(question.id.encode()).hexdigest(), 16) % 3 == 0 for question in asked)


@settings(max_examples=40, deadline=None)
@given(tags=st.lists(TAGS, min_size=1, max_size=60), n=st.integers(1, 70), least=st.integers(0, 12))
def test_a_sample_holds_so_many_unanswerable_questions_as_far_as_there_are(tags: list[list[str]], n: int, least: int) -> None:
    questions = [make(i, own).model_copy(update={"answerable": "unanswerable" not in own}) for i, own in enumerate(tags)]
    chosen = sample(questions, n, 1, unanswerable=least)
    there = sum(not question.answerable for question in questions)
    assert len(chosen) == min(n, len(questions))
    assert sum(not question.answerable for question in chosen) >= min(least, there, n)


def test_questions_of_a_tag_are_left_out_and_never_all() -> None:
    questions = [make(1, ["a"]), make(2, [])]
    assert without_tag(questions, "a") == [questions[1]]
    with pytest.raises(UsageError, match="none is left"):
        without_tag(questions[:1], "a")


def test_the_development_third_of_the_example_is_tagged() -> None:
    questions = load_questions(QUILLANE)
    third = [q.id for q in questions if int(hashlib.sha256(q.id.encode()).hexdigest(), 16) % 3 == 0]
    assert len(third) == 193
    assert [question.id for question in questions if "development" in question.tags] == third
