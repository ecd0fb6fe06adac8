"""Record files: all lines or none, and broken lines by number."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doyen.core.errors import InputError, RecordError
from doyen.core.records import Pair, Question, Turn, read_records
from doyen.core.text import is_blank

GOOD = {"id": "p1", "prompt": "How often?", "response": "Every 90 days."}


def test_a_broken_line_is_named_and_nothing_is_imported(tmp_path):
    path = tmp_path / "pairs.jsonl"
    lines = [json.dumps(GOOD), '{"id": "p2", "prompt": "x"', json.dumps({**GOOD, "id": "p3", "extra": 1}), json.dumps(GOOD)]
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(RecordError) as caught:
        read_records(path, Pair)
    message = str(caught.value)
    assert "line 2: not valid JSON" in message
    assert "line 3: extra" in message
    assert "line 4: id 'p1' was already used in line 1" in message
    assert "nothing was imported" in message


def test_questions_take_one_answer_or_several(tmp_path):
    path = tmp_path / "questions.jsonl"
    rows = [{"id": 1, "question": "q", "answer": "a"}, {"id": "2", "question": "q", "answers": ["a", "b"], "answerable": True}]
    path.write_text("\ufeff" + "\r\n".join(map(json.dumps, rows)) + "\n\n", encoding="utf-8")
    first, second = read_records(path, Question)
    assert (first.id, first.answers) == ("1", ["a"])
    assert second.answers == ["a", "b"]
    path.write_text(json.dumps({"id": "3", "question": "q", "answer": "a", "answers": ["b"]}), encoding="utf-8")
    with pytest.raises(RecordError, match="not both"):
        read_records(path, Question)


def test_files_that_hold_nothing_useful(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_records(tmp_path / "none.jsonl", Pair)
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(InputError, match="no records"):
        read_records(tmp_path / "empty.jsonl", Pair)
    (tmp_path / "latin.jsonl").write_bytes(b'{"id": "\xe9"}')
    with pytest.raises(InputError, match="UTF-8"):
        read_records(tmp_path / "latin.jsonl", Pair)


SAID = st.text(min_size=1).filter(lambda text: not is_blank(text))


@given(SAID, SAID)
def test_any_text_survives_a_round_trip(tmp_path_factory, prompt, response):
    path = tmp_path_factory.mktemp("records") / "pairs.jsonl"
    path.write_text(Pair(id="1", prompt=prompt, response=response).model_dump_json() + "\n", encoding="utf-8")
    assert read_records(path, Pair)[0].prompt == prompt


@pytest.mark.parametrize(
    "blank", ["", "   ", "\n\t", "\u00a0\u2003", "\u200b\ufeff", "\u2060\u0000", "\u2800 \u3164", "\ufe0f"]
)
@pytest.mark.parametrize(
    ("kind", "field"),
    [
        *((Pair, field) for field in ("id", "prompt", "response", "evidence")),
        *((Question, field) for field in ("question", "answer", "evidence")),
    ],
)
def test_what_shows_nothing_is_refused_like_what_is_empty(tmp_path, kind, field, blank):
    good = GOOD if kind is Pair else {"id": "q1", "question": "How often?", "answer": "Daily."}
    path = tmp_path / "records.jsonl"
    path.write_text(json.dumps({**good, field: [blank] if field == "evidence" else blank}), encoding="utf-8")
    with pytest.raises(RecordError, match=rf"line 1: {field}.*(is empty|nothing but blanks)"):
        read_records(path, kind)


@pytest.mark.parametrize("field", ["id", "prompt", "source", "evidence", "history"])
def test_half_a_surrogate_pair_is_refused_wherever_it_stands(tmp_path, field):
    half = {"evidence": ["\ud800"], "history": [{"role": "user", "content": "\ud800"}]}.get(field, "half \ud800")
    path = tmp_path / "records.jsonl"
    path.write_text(json.dumps({**GOOD, field: half}), encoding="utf-8")
    with pytest.raises(RecordError, match=r"line 1: .*surrogate pair"):
        read_records(path, Pair)


def test_null_means_absent_and_numbers_can_name_things(tmp_path):
    path = tmp_path / "pairs.jsonl"
    fields = ("source", "evidence", "annotator", "created_at", "group", "history")
    turn = {"role": "user", "content": "Hi", "name": None}
    rows = [{**GOOD, **dict.fromkeys(fields)}, {**GOOD, "id": 7, "group": 3, "annotator": 4.0, "history": [turn]}]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    first, second = read_records(path, Pair)
    assert first == Pair(**GOOD)
    assert (second.id, second.group, second.annotator, second.history[0].content) == ("7", "3", "4", "Hi")
    asked = {"id": 2, "question": "q", "answers": None, "answer": "a", "evidence": None, "answerable": None, "tags": None}
    path.write_text(json.dumps(asked), encoding="utf-8")
    assert read_records(path, Question) == [Question(id="2", question="q", answers=["a"])]
    for broken in ({**GOOD, "prompt": None}, {**GOOD, "id": None}, {**GOOD, "id": True}, {**GOOD, "evidence": [None]}):
        path.write_text(json.dumps(broken), encoding="utf-8")
        with pytest.raises(RecordError):
            read_records(path, Pair)


def test_conversations_are_pairs(tmp_path):
    path = tmp_path / "chat.jsonl"
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How often?"},
        {"role": "assistant", "content": "Daily."},
        {"role": "user", "content": [{"type": "text", "text": "And the filter?"}]},
        {"role": "assistant", "content": "Weekly.", "tool_calls": None},
    ]
    shared = [{"from": "human", "value": "How often?"}, {"from": "gpt", "value": "Daily."}]
    rows = [{"messages": messages, "source": "a.md"}, {"id": 5, "conversations": shared}, {"conversations": shared}]
    path.write_text("\n".join(map(json.dumps, [*rows, rows[-1]])), encoding="utf-8")
    first, second, third, again = read_records(path, Pair)
    assert (first.prompt, first.response, first.source) == ("And the filter?", "Weekly.", "a.md")
    assert [(turn.role, turn.content) for turn in first.history] == [("user", "How often?"), ("assistant", "Daily.")]
    assert (second.id, second.prompt, second.response, second.history) == ("5", "How often?", "Daily.", [])
    assert len({first.id, second.id, third.id, again.id}) == 4
    assert read_records(path, Pair)[2].id == third.id, "the id follows from the content"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"messages": [{"role": "user", "content": "q"}]}, "must end with"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, "must end with"),
        ({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": " "}]}, "response"),
        ({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": None}]}, "holds no text"),
        ({"messages": [{"role": "tool", "content": "q"}, {"role": "assistant", "content": "a"}]}, "by 'tool'"),
        ({"messages": "q"}, "must be a list"),
        ({"messages": [], "prompt": "q"}, "the conversation or the pair"),
    ],
)
def test_conversations_without_a_question_and_its_answer_are_refused(tmp_path, record, reason):
    path = tmp_path / "chat.jsonl"
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(RecordError, match=reason):
        read_records(path, Pair)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("How often is it cleaned?", " how  often\nis it CLEANED", True),
        ("How often is it cleaned?", "«How often, is it cleaned»?!", True),
        ("How often?", "How\u200b often\ufe0f？", True),
        ("Is C++ used?", "Is C used?", False),
        ("Is it 2.5 bar?", "Is it 25 bar?", False),
        ("Is it -5 °C?", "Is it 5 °C?", False),
        ("???", "!", False),
    ],
)
def test_repeats_of_a_question_share_a_hash(one, other, same):
    first, second = (Question(id="q", question=text, answers=["a"]) for text in (one, other))
    assert (first.repeat_hash == second.repeat_hash) is same
    assert first.asked_hash != second.asked_hash
    after = first.model_copy(update={"history": [Turn(role="user", content="Which filter?")]})
    assert after.repeat_hash != first.repeat_hash
