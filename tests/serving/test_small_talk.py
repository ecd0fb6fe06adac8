"""Greetings get a short honest reply; anything that may be a question does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doyen.platform.serving.small_talk import small_talk

EXAMPLE = Path(__file__).parents[2] / "examples" / "quillane"


@pytest.mark.parametrize(
    "text",
    [
        *("Hi", "hello!", "Hi!! :)", "Hello there", "Hi, how are you?", "good evening Doyen", "hi team, good morning"),
        *("Thank you very much!", "thanks for your help", "OK, thanks. Bye!", "Who are you?", "What can you do?", "help"),
        *("👋", "?", "...", "test", "ok", "Guten Tag", "Grüß Gott", "Danke schön!", "Hallo zusammen", "你好", "Здравствуйте!"),
    ],
)
def test_empty_talk_is_answered_without_a_model(text: str) -> None:
    reply = small_talk(text)
    assert reply
    assert len(reply) < 200


@pytest.mark.parametrize(
    "text",
    [
        *("hi-flow valve?", "Hi, what is the torque?", "Thanks, and the torque?", "Test gas?", "Welcome kit?", "Help key?"),
        *("26", "E-41", "26 °C?", "No", "yes", "C", "日本", "What can you do about leaks?", "Who are you allowed to call?"),
        *("hello world program", "OK-1", "bye " * 500 + "x", "Is it good?", "Nice is a town in which country?"),
    ],
)
def test_what_may_be_a_question_is_none(text: str) -> None:
    assert small_talk(text) is None


def test_no_question_or_prompt_of_the_example_is_empty_talk() -> None:
    for file, key in (("questions.jsonl", "question"), ("pairs.jsonl", "prompt")):
        texts = [json.loads(line)[key] for line in (EXAMPLE / file).read_text(encoding="utf-8").splitlines()]
        assert [text for text in texts if small_talk(text)] == []
