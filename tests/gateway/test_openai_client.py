"""The official client against the gateway with the real models: texts, embeddings, JSON, seeds, stops, log-probabilities."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import numpy as np
import openai
import pytest
from support.serving import served

from doyen.core.workspace import create_workspace
from doyen.platform.serving.gateway.api import create_app

pytestmark = pytest.mark.model
EMBEDDER = "all-minilm-l6-v2"


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    workspace = create_workspace(tmp_path_factory.mktemp("openai") / "space", "test")
    with (
        served(create_app(workspace)) as url,
        openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client,
    ):
        yield client


def test_a_text_is_continued_as_it_stands(official: openai.OpenAI) -> None:
    told = {"model": "base", "prompt": "One, two, three, four,", "max_tokens": 8, "temperature": 0}
    made = official.completions.create(**told, logprobs=1)
    assert "five" in made.choices[0].text
    assert made.choices[0].finish_reason == "length"
    assert made.usage.completion_tokens == 8 == len(made.choices[0].logprobs.tokens)
    assert "".join(made.choices[0].logprobs.tokens) == made.choices[0].text
    assert all(value <= 0 for value in made.choices[0].logprobs.token_logprobs)
    stopped = official.completions.create(**told, stop=[" six"])
    assert (stopped.choices[0].text, stopped.choices[0].finish_reason) == (" five,", "stop")
    pieces = list(official.completions.create(**told, stream=True, stream_options={"include_usage": True}))
    assert "".join(piece.choices[0].text for piece in pieces if piece.choices) == made.choices[0].text
    assert pieces[-1].usage.total_tokens == made.usage.total_tokens


def test_seeds_draw_the_same_and_choices_differ(official: openai.OpenAI) -> None:
    told = {"model": "base", "prompt": "My favourite animal is", "max_tokens": 6, "temperature": 1.5}
    several = official.completions.create(**told, n=3, seed=7)
    texts = [choice.text for choice in several.choices]
    assert len(set(texts)) > 1
    assert official.completions.create(**told, seed=7).choices[0].text == texts[0]
    assert official.completions.create(**told, seed=8).choices[0].text == texts[1], "the second choice has the next seed"


def test_what_completions_cannot_do_is_said(official: openai.OpenAI) -> None:
    told = {"model": "base", "prompt": "x", "max_tokens": 1}
    for extra, words in (
        ({"echo": True}, "only what follows"),
        ({"logprobs": 5}, "only tokens that were drawn"),
        ({"best_of": 3}, "ask with n"),
        ({"prompt": ["a", "b"]}, "one text"),
        ({"prompt": [1, 2]}, "token ids"),
        ({"presence_penalty": 1.0}, "temperature alone"),
    ):
        with pytest.raises(openai.BadRequestError, match=words):
            official.completions.create(**{**told, **extra})
    with pytest.raises(openai.NotFoundError, match="choose base or finetune"):
        official.completions.create(**{**told, "model": "rag"})
    with pytest.raises(openai.NotFoundError, match="there is no adapter"):
        official.completions.create(**{**told, "model": "finetune@qa:1"})


def test_a_chat_answer_is_json_of_the_schema(official: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"capital": {"type": "string"}, "sure": {"type": "boolean"}},
        "required": ["capital", "sure"],
        "additionalProperties": False,
    }
    answer = official.chat.completions.create(
        model="base",
        messages=[{"role": "user", "content": "What is the capital of France?"}],
        response_format={"type": "json_schema", "json_schema": {"name": "capital", "strict": True, "schema": schema}},
        max_completion_tokens=60,
        seed=3,
    )
    assert json.loads(answer.choices[0].message.content).keys() == {"capital", "sure"}


def test_a_chat_answer_ends_at_a_stop_and_has_as_many_choices_as_asked(official: openai.OpenAI) -> None:
    told = {"model": "base", "messages": [{"role": "user", "content": "Count from one to ten in words."}], "max_tokens": 12}
    whole = official.chat.completions.create(**told, temperature=0).choices[0].message.content
    word = whole.split()[-1]
    cut = official.chat.completions.create(**told, temperature=0, stop=word).choices[0].message.content
    assert word not in cut
    assert whole.startswith(cut)
    drawn = official.chat.completions.create(**told, n=2, seed=1, temperature=1.5)
    assert drawn.choices[0].message.content != drawn.choices[1].message.content


def test_embeddings_in_both_formats(official: openai.OpenAI) -> None:
    texts = ["The pump is broken.", "The pump does not work.", "Holidays are in August."]
    packed = official.embeddings.create(model=EMBEDDER, input=texts)
    plain = official.embeddings.create(model=EMBEDDER, input=texts, encoding_format="float")
    vectors = np.array([item.embedding for item in packed.data])
    assert np.allclose(vectors, [item.embedding for item in plain.data], atol=1e-6)
    assert all(math.isclose(np.linalg.norm(vector), 1, abs_tol=1e-3) for vector in vectors)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    assert packed.usage.prompt_tokens > 10
    assert official.embeddings.create(model=EMBEDDER, input="one", dimensions=384).data[0].index == 0
    for wrong, words in (
        ({"input": [[1, 2]]}, "token ids"),
        ({"input": " "}, "empty"),
        ({"dimensions": 7}, "vectors have 384"),
    ):
        with pytest.raises(openai.BadRequestError, match=words):
            official.embeddings.create(**{"model": EMBEDDER, "input": "one", **wrong})
    with pytest.raises(openai.NotFoundError, match=f"choose '{EMBEDDER}'"):
        official.embeddings.create(model="text-embedding-3-small", input="one")
