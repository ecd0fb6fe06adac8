"""Record files: all lines or none, and broken lines by number."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doyen.platform.core.errors import InputError, RecordError
from doyen.platform.core.records import Pair, Question, read_records

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


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_text_survives_a_round_trip(tmp_path_factory, prompt, response):
    path = tmp_path_factory.mktemp("records") / "pairs.jsonl"
    path.write_text(Pair(id="1", prompt=prompt, response=response).model_dump_json() + "\n", encoding="utf-8")
    assert read_records(path, Pair)[0].prompt == prompt
