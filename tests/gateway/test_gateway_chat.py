"""Chat: OpenAI's schema, streaming, citations, and names that are never silently replaced."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from support.fake_assistant import QUOTE, FakeAssistant

from doyen.core.records import REFUSAL
from doyen.core.store.schema import AnswerRow
from doyen.platform.serving.sampling import Sampling


def ask(client: TestClient, question: Any = "How often?", model: str = "rag", **extra: Any) -> Any:
    messages = question if isinstance(question, list) else [{"role": "user", "content": question}]
    return client.post("/v1/chat/completions", json={"model": model, "messages": messages, **extra})


def events(text: str) -> list[Any]:
    """Return the data of server-sent events; [DONE] as a string."""
    found = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    return [item if item == "[DONE]" else json.loads(item) for item in found]


def test_answer_has_openai_fields_and_ours(client: TestClient) -> None:
    body = ask(client).json()
    assert body["object"] == "chat.completion"
    assert body["choices"][0]["message"] == {
        "role": "assistant",
        "content": "Every 400 hours, and note it in the log.",
        "refusal": None,
    }
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"] == {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    assert body["model"] == body["mode"] == "rag"
    assert body["abstained"] is False
    citation, passage = body["citations"][0], body["passages"][0]
    assert citation["quote"] == QUOTE
    at = citation["start"] - passage["start"]
    assert passage["text"][at : at + len(QUOTE)] == QUOTE
    assert body["id"] == f"chatcmpl-{body['answer_id']}"


def test_answer_is_stored_under_its_id(client: TestClient) -> None:
    answer_id = ask(client).json()["answer_id"]
    with client.app.state.services.store.session() as session:
        assert session.get(AnswerRow, answer_id).question == "How often?"


def test_refusal_is_marked(client: TestClient) -> None:
    body = ask(client, "something unknown").json()
    assert body["abstained"] is True
    assert body["choices"][0]["message"]["content"] == REFUSAL
    assert body["citations"] == []


def test_stream_carries_the_words_then_the_citations_then_done(client: TestClient) -> None:
    response = ask(client, stream=True, stream_options={"include_usage": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    *chunks, usage, done = events(response.text)
    assert done == "[DONE]"
    assert usage["choices"] == []
    assert usage["usage"]["total_tokens"] == 10
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert text == "Every 400 hours, and note it in the log." == chunks[-1]["answer"]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["citations"][0]["quote"] == QUOTE
    assert all("citations" not in chunk for chunk in chunks[:-1])
    assert len(chunks) > 5


def test_an_extract_is_an_event_of_a_stream_and_no_part_of_the_text(client: TestClient) -> None:
    *chunks, _ = events(ask(client, "quoted", stream=True).text)
    extracts = [chunk for chunk in chunks if "extract" in chunk]
    assert chunks.index(extracts[0]) == 1
    assert [chunk["choices"][0]["delta"] for chunk in extracts] == [{}]
    assert extracts[0]["extract"]["text"] == "every 400 hours"
    assert extracts[0]["extract"]["citation"]["quote"] == QUOTE
    text = "".join(choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"])
    whole = ask(client, "quoted").json()
    assert text == whole["choices"][0]["message"]["content"] == whole["answer"]
    assert "extract" not in whole


def test_stream_without_usage_ends_with_the_citations(client: TestClient) -> None:
    *_, last, done = events(ask(client, stream=True).text)
    assert "citations" in last
    assert done == "[DONE]"


def test_error_in_the_middle_of_a_stream_is_an_event(client: TestClient) -> None:
    response = ask(client, "break", stream=True)
    assert response.status_code == 200
    *_, last = events(response.text)
    assert last["error"]["message"] == "the shelf broke: mend it"
    assert last["error"]["code"] == "not_found"


def test_error_before_the_first_word_has_a_status(client: TestClient) -> None:
    response = ask(client, model="hybrid@other", stream=True)
    assert response.status_code == 404
    assert "there is no adapter 'other'" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "model",
    ["gpt-4", "", "RAG", "rag ", "hybrid@", "hybrid@a:b", "hybrid@a:1:2", "rag@known", "base@known:1", "@x", "hybrid@../x"],
)
def test_unknown_models_are_refused(client: TestClient, assistant: FakeAssistant, model: str) -> None:
    response = ask(client, model=model)
    assert response.status_code == (404 if model else 400)
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert assistant.asked == []


@pytest.mark.parametrize(
    ("model", "adapter"), [("hybrid", None), ("hybrid@known", "known"), ("finetune@known-2.a:12", "known-2.a:12")]
)
def test_model_names_choose_the_adapter(client: TestClient, assistant: FakeAssistant, model: str, adapter: str | None) -> None:
    assert ask(client, model=model).json()["model"] == model
    assert assistant.asked[0]["adapter"] == adapter


def test_earlier_messages_are_the_history(client: TestClient, assistant: FakeAssistant) -> None:
    messages = [
        {"role": "system", "content": "Talk like a pirate."},
        {"role": "user", "content": "What is the PX-90?"},
        {"role": "assistant", "content": "A pump."},
        {"role": "user", "content": [{"type": "text", "text": "How often"}, {"type": "text", "text": "is it cleaned?"}]},
    ]
    body = ask(client, messages).json()
    asked = assistant.asked[0]
    assert asked["question"] == "How often\nis it cleaned?"
    assert [(turn.role, turn.content) for turn in asked["history"]] == [
        ("user", "What is the PX-90?"),
        ("assistant", "A pump."),
    ]
    assert asked["instructions"] == "Talk like a pirate."
    assert body["warnings"] == []
    assert any("system" in warning for warning in ask(client, messages, "extract").json()["warnings"])
    messages[0]["content"] = "x" * 2001
    assert "the limit is 2,000" in ask(client, messages).json()["error"]["message"]


def test_token_limits_reach_the_assistant(client: TestClient, assistant: FakeAssistant) -> None:
    ask(client, max_tokens=5)
    ask(client, max_tokens=5, max_completion_tokens=9)
    ask(client)
    assert [asked["max_tokens"] for asked in assistant.asked] == [5, 9, None]


def test_fields_that_clients_send_are_let_through(client: TestClient) -> None:
    response = ask(
        client, temperature=0.7, top_p=1, user="u", store=False, metadata={}, parallel_tool_calls=True, tools=[], n=1
    )
    assert response.status_code == 200
    assert response.json()["warnings"] == []


def test_sampling_reaches_the_assistant_and_several_answers_have_seeds_of_their_own(
    client: TestClient, assistant: FakeAssistant
) -> None:
    told = {"temperature": 0.7, "seed": 5, "stop": "END", "n": 3}
    body = ask(client, **told).json()
    assert [asked["sampling"] for asked in assistant.asked] == [Sampling(0.7, seed, ("END",)) for seed in (5, 6, 7)]
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]
    assert len({choice["answer_id"] for choice in body["choices"]}) == 3
    assert body["usage"]["total_tokens"] == 30


def test_json_that_cannot_be_given_is_a_refusal_in_its_own_field(client: TestClient, assistant: FakeAssistant) -> None:
    schema = {"type": "object", "properties": {"days": {"type": "integer"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    message = ask(client, "unknown", response_format=wanted).json()["choices"][0]["message"]
    assert (message["content"], message["refusal"]) == (None, REFUSAL)
    assert assistant.asked[-1]["sampling"].json_schema == schema
    assert ask(client, response_format={"type": "json_object"}).json()["choices"][0]["message"]["refusal"] is None


@pytest.mark.parametrize(
    ("extra", "word"),
    [
        ({"n": 2, "stream": True}, "n = 2"),
        ({"n": 99}, "n"),
        ({"top_p": 0.5}, "top_p"),
        ({"frequency_penalty": 1}, "frequency_penalty"),
        ({"logit_bias": {"1": 5}}, "logit_bias"),
        ({"stop": ["a", ""]}, "stop"),
        ({"temperature": 3}, "temperature"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"response_format": {"type": "grammar"}}, "grammar"),
        ({"response_format": {"type": "json_schema"}}, "json_schema.schema"),
        ({"response_format": {"type": "json_object"}, "model": "extract"}, "may quote documents"),
        ({"logprobs": True}, "logprobs"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "last message"),
        ({"messages": [{"role": "user", "content": "  "}]}, "empty"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, "image_url"),
    ],
)
def test_what_cannot_be_honoured_is_refused(client: TestClient, assistant: FakeAssistant, extra: Any, word: str) -> None:
    response = ask(client, **extra)
    assert response.status_code == 400
    assert word in response.json()["error"]["message"]
    assert assistant.asked == []


def test_long_question_is_refused_with_the_limit(client: TestClient) -> None:
    response = ask(client, "x" * 100_000)
    assert response.status_code == 400
    assert "100,000 characters, the limit is 8,000" in response.json()["error"]["message"]


def test_too_many_requests_are_sent_away(open_gateway: Callable[..., TestClient]) -> None:
    client = open_gateway(max_concurrent=1, max_waiting=1)
    assistant = client.app.state.services.assistant()
    limiter = client.app.state.services.limiter
    assistant.gate.clear()
    threads = [threading.Thread(target=ask, args=(client, f"question {number}")) for number in range(2)]
    for number, thread in enumerate(threads, start=1):
        thread.start()
        wait_until(lambda number=number: limiter.running + limiter.waiting == number)
    refused = ask(client)
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "2"
    assert refused.json()["error"]["code"] == "overloaded"
    assistant.gate.set()
    for thread in threads:
        thread.join()
    assert ask(client).status_code == 200
    assert (limiter.running, limiter.waiting) == (0, 0)


def test_slow_answer_is_stopped(open_gateway: Callable[..., TestClient]) -> None:
    client = open_gateway(request_timeout_s=0.3)
    response = ask(client, "slow")
    assert response.status_code == 504
    assert "request_timeout_s" in response.json()["error"]["message"]
    assert client.app.state.services.assistant().stopped.wait(5)
    wait_until(lambda: client.app.state.services.limiter.running == 0)


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)
