"""Both local engines with the packaged model: same tokens, same answers, adapters kept apart, failures survived."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from support.scoring import score

from doyen.core.deadline import until
from doyen.core.errors import IncompatibleError, InputError, NotInTime, PromptTooLong, ServiceError
from doyen.core.prompts import build_messages, encode_prompt
from doyen.platform.serving.engine_writer import EngineWriter
from doyen.platform.serving.engines import AdapterFiles, Generation, GenerationRequest, complete, llamacpp
from doyen.platform.serving.engines.llamacpp import LlamaCppEngine
from doyen.platform.serving.engines.worker_process import WorkerProcess

pytestmark = pytest.mark.model

QUESTIONS = [
    "What is the capital of France?",
    "Who wrote Hamlet?",
    "Name a fruit that is yellow.",
    "How many legs has a spider?",
    "What do bees make?",
]


def request(question=QUESTIONS[0], adapter=None, max_tokens=8, **more):
    return GenerationRequest(build_messages(question), adapter, max_tokens=max_tokens, **more)


def chosen(adapters, name):
    return None if name is None else getattr(adapters, name)


def test_llamacpp_has_the_vocabulary_of_training(llama):
    """Prompts are sent as the ids of training: they must mean the same there, special tokens included."""
    complete(llama, request(max_tokens=1))
    for question in [*QUESTIONS, "Größe: 7.5 µm <|im_end|> 日本 🙂\n\n\ttab"]:
        ids = encode_prompt(llama.tokenizer, build_messages(question))
        rendered = llama.tokenizer.decode(ids)
        body = {"content": rendered, "add_special": False, "parse_special": True}
        assert llama._worker.client.post("/tokenize", json=body).json()["tokens"] == ids


def test_llamacpp_holds_the_model_to_a_json_schema(llama):
    label = {"enum": ["fees", "delivery"]}
    schema = {"type": "object", "properties": {"label": label}, "required": ["label"], "additionalProperties": False}
    made = complete(llama, request("Say hello.", max_tokens=32, json_schema=schema))
    assert json.loads(made.text)["label"] in {"fees", "delivery"}
    written = EngineWriter(llama).fill("Say hello.", schema, max_tokens=32, temperature=0.0, seed=1)
    assert json.loads(written.text).keys() == {"label"}
    assert written.prompt_tokens > written.completion_tokens > 0


def test_both_engines_count_the_same_prompt(llama, reference):
    ids = encode_prompt(llama.tokenizer, build_messages(QUESTIONS[1]))
    for engine in (llama, reference):
        assert complete(engine, request(QUESTIONS[1], max_tokens=1)).prompt_tokens == len(ids)


@pytest.mark.parametrize("name", [None, "first", "second", "patterned"])
def test_llamacpp_answers_as_the_reference_does(llama, reference, adapters, name):
    """8-bit weights move log-probabilities by a little; a wrongly converted adapter moves them by much more."""
    texts = ["The documents do not say.", "Paris is the capital of France."]
    asked = request(QUESTIONS[0], chosen(adapters, name))
    assert score(llama, asked, texts) == pytest.approx(score(reference, asked, texts), abs=0.5)


@pytest.mark.parametrize("name", ["first", "patterned"])
def test_an_adapter_changes_the_scores_by_more_than_the_tolerance(llama, adapters, name):
    asked, plain = request(QUESTIONS[0], chosen(adapters, name)), request(QUESTIONS[0])
    text = ["Paris is the capital of France."]
    assert abs(score(llama, asked, text)[0] - score(llama, plain, text)[0]) > 1.0


def test_scores_agree_with_the_log_probabilities_of_generation(llama, reference):
    for engine in (llama, reference):
        result = complete(engine, request(QUESTIONS[0], max_tokens=16, want_logprobs=True))
        assert result.finish_reason == "stop"
        assert len(result.logprobs) == result.completion_tokens
        spoken = result.logprobs[:-1]
        assert score(engine, request(QUESTIONS[0]), [result.text])[0] == pytest.approx(sum(spoken) / len(spoken), abs=0.02)


def test_pieces_add_up_to_the_text(llama, reference):
    for engine in (llama, reference):
        *pieces, last = engine.stream(request(QUESTIONS[0], max_tokens=12, stop=["France"]))
        assert isinstance(last, Generation)
        assert "".join(pieces) == last.text
        assert "France" not in last.text
        assert last.text.startswith("The capital of")


def test_adapters_never_leak_into_each_others_answers(llama, adapters):
    """Random adapters and questions, cache on, two at a time, against answers computed without any cache.

    Compared is the first token with its probability: batching moves it by some hundredths, another adapter's cache by far
    more, and later tokens may part at a near tie.
    """
    rng = random.Random(5)
    kinds = [None, "first", "second"]
    fresh = {
        (kind, question): _uncached(llama, request(question, chosen(adapters, kind)))
        for kind in kinds
        for question in QUESTIONS
    }
    for question in QUESTIONS:
        assert len({fresh[kind, question] for kind in kinds}) == len(kinds)
    asked = [(rng.choice(kinds), rng.choice(QUESTIONS)) for _ in range(60)]

    def answer(item):
        kind, question = item
        pieces = llama.stream(request(question, chosen(adapters, kind), max_tokens=2, want_logprobs=True))
        first, *_, last = pieces
        return first, last.logprobs[0]

    with ThreadPoolExecutor(2) as pool:
        given = list(pool.map(answer, asked))
    wrong = [
        (item, given_first, fresh[item])
        for item, given_first in zip(asked, given, strict=True)
        if given_first[0] != fresh[item][0] or abs(given_first[1] - fresh[item][1]) > 0.1
    ]
    assert wrong == []


def _uncached(llama, asked):
    prompt = encode_prompt(llama.tokenizer, list(asked.messages))
    with llama._lease(asked.adapter) as (worker, lora):
        body = {**llama._body(asked, prompt, lora), "cache_prompt": False, "n_predict": 1, "n_probs": 1}
        result = worker.client.post("/completion", json=body, timeout=60).json()
    return result["content"], result["completion_probabilities"][0]["logprob"]


def test_a_new_adapter_is_served_while_an_answer_is_running(generator, adapters):
    engine = LlamaCppEngine(generator, context=512, slots=2)
    try:
        running = engine.stream(request("Count from one to fifty.", max_tokens=60))
        first = next(running)
        old = engine._worker
        assert complete(engine, request(QUESTIONS[0], adapters.second, max_tokens=4)).completion_tokens == 4
        assert engine._worker is not old
        rest = list(running)
        assert isinstance(rest[-1], Generation)
        assert rest[-1].text.startswith(first)
        assert not old.alive
    finally:
        engine.close()


def test_requests_that_need_no_new_worker_do_not_wait_for_one(generator, adapters, monkeypatch):
    engine = LlamaCppEngine(generator, context=512, slots=2)
    loaded = threading.Event()

    class SlowToLoad(WorkerProcess):
        def __init__(self, plan):
            assert loaded.wait(60)
            super().__init__(plan)

    try:
        complete(engine, request(max_tokens=1))
        monkeypatch.setattr(llamacpp, "WorkerProcess", SlowToLoad)
        with ThreadPoolExecutor(2) as pool:
            waiting = [pool.submit(complete, engine, request(QUESTIONS[0], adapters.first, max_tokens=2)) for _ in range(2)]
            assert complete(engine, request(max_tokens=2)).completion_tokens == 2
            assert not any(future.done() for future in waiting)
            with until(time.monotonic() + 0.2), pytest.raises(NotInTime, match="still being loaded"):
                complete(engine, request(QUESTIONS[0], adapters.first, max_tokens=2))
            loaded.set()
            assert [future.result().completion_tokens for future in waiting] == [2, 2]
    finally:
        loaded.set()
        engine.close()


def test_a_request_whose_time_is_up_leaves_a_healthy_worker_alone(llama):
    complete(llama, request(max_tokens=1))
    worker = llama._worker
    with until(time.monotonic() + 0.01), pytest.raises(NotInTime):
        complete(llama, request("Tell me a long story. " * 60, max_tokens=500))
    assert complete(llama, request(max_tokens=1)).completion_tokens == 1
    assert llama._worker is worker


def test_a_cancelled_answer_frees_its_slot(llama):
    stream = llama.stream(request("Tell me a long story.", max_tokens=900))
    next(stream)
    stream.close()
    started = time.monotonic()
    complete(llama, request(max_tokens=1))
    complete(llama, request(QUESTIONS[1], max_tokens=1))
    assert time.monotonic() - started < 8
    assert not llama._running


def test_a_crash_fails_the_request_and_not_the_next(generator):
    engine = LlamaCppEngine(generator, context=512, slots=1)
    try:
        stream = engine.stream(request("Tell me a long story.", max_tokens=140))
        next(stream)
        engine._worker.process.send_signal(signal.SIGKILL)
        with pytest.raises(ServiceError, match=r"crashed.*SIGKILL"):
            list(stream)
        assert complete(engine, request(max_tokens=2)).completion_tokens == 2
    finally:
        engine.close()


def test_closing_ends_the_worker(generator):
    engine = LlamaCppEngine(generator, context=512, slots=1)
    complete(engine, request(max_tokens=1))
    worker = engine._worker
    engine.close()
    assert not worker.alive
    assert not worker._folder.exists()
    with pytest.raises(InputError, match="closed"):
        complete(engine, request(max_tokens=1))


def test_the_worker_ends_when_its_parent_is_killed(generator):
    script = """
import sys, time
from doyen.core.models import resolve_generator
from doyen.core.prompts import build_messages
from doyen.platform.serving.engines import GenerationRequest, complete
from doyen.platform.serving.engines import llamacpp
from doyen.platform.serving.engines.llamacpp import LlamaCppEngine
from doyen.platform.serving.engines.worker_process import WorkerProcess
engine = LlamaCppEngine(resolve_generator("smollm2-135m-instruct"), context=512, slots=1)
complete(engine, GenerationRequest(build_messages("Hello?"), max_tokens=1))
print(engine._worker.process.pid, engine._worker._folder, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=os.environ)
    pid, folder = parent.stdout.readline().split()
    worker = psutil.Process(int(pid))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    _, alive = psutil.wait_procs([worker], timeout=10)
    assert not alive
    assert not Path(folder).exists()


def test_an_adapter_of_another_base_is_refused(llama, reference, adapters):
    foreign = AdapterFiles("foreign:1", adapters.first.folder, "0" * 64)
    for engine in (llama, reference):
        with pytest.raises(IncompatibleError, match="foreign:1"):
            complete(engine, request(adapter=foreign))


def test_an_adapter_without_files_is_refused(llama, reference, generator, tmp_path):
    lost = AdapterFiles("lost:1", tmp_path, generator.sha256)
    for engine in (llama, reference):
        with pytest.raises(IncompatibleError, match="lost:1"):
            complete(engine, request(adapter=lost))


def test_a_prompt_beyond_the_window_is_refused(llama, reference):
    for engine in (llama, reference):
        with pytest.raises(PromptTooLong, match="tokens"):
            complete(engine, request("word " * 9000))


def test_a_limit_beyond_the_window_is_cut_to_what_is_left(llama, generator):
    question = "word " * 900
    result = complete(llama, request(question, max_tokens=100_000))
    assert result.text
    assert result.prompt_tokens + result.completion_tokens <= 1024
    if result.finish_reason == "length":
        assert result.prompt_tokens + result.completion_tokens >= 1023


def test_a_loop_is_stopped_and_told(llama, reference):
    """The packaged model falls into loops of its own on requests like these."""
    texts = ["Name all rivers of the world.", "Say la la la la la la la la la la la la la la."]
    for engine in (llama, reference):
        reasons = set()
        for text in texts:
            *pieces, last = engine.stream(GenerationRequest([{"role": "user", "content": text}], max_tokens=140))
            assert "".join(pieces) == last.text
            assert last.finish_reason != "repetition" or 0 < last.completion_tokens < 140
            reasons.add(last.finish_reason)
        assert "repetition" in reasons


def test_temperature_draws_by_seed(reference):
    def draw(seed):
        return complete(reference, request("Say something.", max_tokens=6, temperature=1.5, seed=seed)).text

    assert draw(1) == draw(1)
    assert len({draw(seed) for seed in range(4)}) > 1


def test_the_reference_serves_streams_in_turns(reference, adapters):
    """Interleaved streams with different adapters give what each gives alone."""
    kinds = [None, "first", "second"]
    alone = [complete(reference, request(QUESTIONS[2], chosen(adapters, kind), max_tokens=5)).text for kind in kinds]
    streams = [reference.stream(request(QUESTIONS[2], chosen(adapters, kind), max_tokens=5)) for kind in kinds]
    results = {}
    while len(results) < len(kinds):
        for index, stream in enumerate(streams):
            piece = next(stream, None)
            if isinstance(piece, Generation):
                results[index] = piece.text
    assert [results[index] for index in range(len(kinds))] == alone


def test_an_idle_reader_does_not_block_others(reference):
    idle = reference.stream(request(QUESTIONS[0], max_tokens=5))
    next(idle)
    done = threading.Event()
    thread = threading.Thread(target=lambda: (complete(reference, request(QUESTIONS[1], max_tokens=2)), done.set()))
    thread.start()
    assert done.wait(30)
    idle.close()
    thread.join()


def test_an_answer_to_be_measured_does_not_depend_on_what_was_asked_before(llama):
    """Evaluations are stopped and go on in another process: to the last bit, not only in most of the words."""
    passage = (
        "The Kite tank holds 380 litres. It is flushed every 30 days with clean water, and its lid is tightened to 9 Nm. " * 4
    )
    prompts = [f"{passage[: 180 + 97 * number]} {question}" for number, question in enumerate(QUESTIONS)]

    def measured(prompt):
        result = complete(llama, request(prompt, max_tokens=12, want_logprobs=True, reuse_prompt=False))
        return result.text, result.logprobs

    alone = [measured(prompt) for prompt in prompts]
    for prompt in prompts:
        complete(llama, request(prompt))
    assert [measured(prompt) for prompt in reversed(prompts)] == alone[::-1]
