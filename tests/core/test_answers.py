"""Answers, passages and citations go through JSON unchanged, and rows of earlier versions still open."""

import json
from dataclasses import asdict
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from doyen.core.answers import Answer, AnswerSentence, Citation, FinishReason, Passage, Support, Timings, Usage
from doyen.core.modes import MODES
from doyen.eval.answer_log import AnswerRecord, read_answers
from doyen.platform.serving.answer_store import record_answer

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
SCORE = st.floats(allow_nan=False, allow_infinity=False)
PAGE = st.none() | st.integers(1)
PASSAGES = st.builds(
    Passage, *[TEXT] * 4, *[st.integers(0)] * 2, PAGE, TEXT, SCORE, TEXT, st.dictionaries(TEXT, SCORE, max_size=2)
)
ANSWERS = st.builds(
    Answer,
    question=TEXT,
    answer=TEXT,
    mode=st.sampled_from(MODES),
    mode_reason=st.none() | TEXT,
    adapter=st.none() | TEXT,
    abstained=st.booleans(),
    support=st.sampled_from(get_args(Support)),
    citations=st.lists(st.from_type(Citation), max_size=3),
    sentences=st.lists(st.from_type(AnswerSentence), max_size=3),
    usage=st.from_type(Usage),
    timings=st.builds(Timings, SCORE, SCORE, SCORE),
    finish_reason=st.sampled_from(get_args(FinishReason)),
    passages=st.lists(PASSAGES, max_size=3),
)


@given(ANSWERS)
def test_an_answer_is_the_same_after_json(answer: Answer) -> None:
    assert Answer.from_json(json.loads(json.dumps(answer.to_json()))) == answer
    record = AnswerRecord.of("key", "q1", answer)
    assert AnswerRecord.from_json(json.loads(record.to_line())) == record
    for part in (*answer.passages, *answer.citations, *answer.sentences):
        assert type(part).from_json(json.loads(json.dumps(part.to_json()))) == part


@given(ANSWERS)
def test_what_is_shown_is_a_part_of_the_whole(answer: Answer) -> None:
    assert answer.to_json() == {**answer.public_json(), "passages": [asdict(passage) for passage in answer.passages]}
    for passage in answer.passages:
        assert passage.to_json() == {
            **passage.public_json(),
            "signals": passage.signals,
            "page_breaks": passage.page_breaks,
        }


@given(ANSWERS)
def test_the_marked_pieces_are_the_answer(answer: Answer) -> None:
    pieces = answer.marked_text()
    assert "".join(text for text, _ in pieces) == answer.answer
    assert all(text for text, _ in pieces)
    assert {id(sentence) for _, sentence in pieces if sentence} <= {id(sentence) for sentence in answer.sentences}


def test_what_lies_between_sentences_has_no_mark() -> None:
    first, second = AnswerSentence(1, 4, "not_found"), AnswerSentence(5, 99, "supported")
    answer = Answer("Which?", " Yes. No", "rag", sentences=[first, second])
    assert answer.marked_text() == [(" ", None), ("Yes", first), (".", None), (" No", second)]


def test_lines_of_earlier_evaluations_are_read(tmp_path) -> None:
    """As `answers.jsonl` was written before answers and their records were one shape."""
    place = {"chunk_id": "c", "source": "a.md", "start": 3, "end": 9, "page": 2}
    passage = {**place, "document_id": "d", "version": "v", "heading": "Pumps", "score": 0.5, "text": "4,000 h"}
    line = {
        "key": "k",
        "id": "q1",
        "mode": "rag",
        "question": "How long?",
        "answer": "4,000 h",
        "model": "m",
        "adapter": None,
        "abstained": False,
        "citations": [{**place, "marker": 1, "quote": "4,000 h", "support": "supported"}],
        "passages": [{**passage, "signals": {"dense": 0.25}}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3},
        "timings": {"retrieve_s": 0.0123, "first_token_s": 0.2, "total_s": 1.5},
        "support": "supported",
    }
    path = tmp_path / "answers.jsonl"
    path.write_text(json.dumps(line) + "\n" + json.dumps({**line, "key": "other", "passages": "none"}) + "\n")
    (record,) = read_answers(path).values()
    whole, citations = record.to_json(), line.pop("citations")
    assert line.items() <= {**whole, "passages": [{key: whole["passages"][0][key] for key in line["passages"][0]}]}.items()
    assert citations[0].items() <= whole["citations"][0].items()
    assert (record.finish_reason, record.answer_id, record.sentences) == ("stop", "", [])


def test_a_stored_answer_opens(store) -> None:
    from sqlalchemy import select

    from doyen.core.store.schema import AnswerRow

    passage = Passage("c", "d", "v", "a.md", 3, 10, 2, "Pumps", 0.5, "4,000 h", {"dense": 0.25})
    citation = Citation(1, "c", "a.md", 3, 10, 2, "4,000 h", "supported")
    record_answer(store, Answer("How long?", "4,000 h", "rag", citations=[citation], passages=[passage]), [])
    with store.session() as session:
        row = session.scalars(select(AnswerRow)).one()
    # The very keys of the rows that workspaces hold.
    assert set(row.passages[0]) == {*passage.public_json(), "signals", "page_breaks"}
    assert [Passage.from_json(item) for item in row.passages] == [passage]
    assert [Citation.from_json(item) for item in row.citations] == [citation]
    del row.passages[0]["version"], row.passages[0]["heading"], row.passages[0]["signals"]
    old = Passage.from_json(row.passages[0])
    assert (old.version, old.heading, old.signals, old.text) == ("", "", {}, passage.text)
