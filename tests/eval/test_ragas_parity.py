"""RAGAS through our one module gives what RAGAS gives by itself, and tells nobody."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
from typing import Any

import pytest
from support.evaluation_world import embed

from doyen.eval.ragas_metrics import Sample, context_scores, semantic_similarity, text_scores

SAMPLES = [
    Sample("q", "The pump runs 4,000 hours before service.", ["4,000 hours"]),
    Sample("q", "Blue.", ["red", "dark blue"]),
    Sample("q", "", ["red"]),
]


def test_rouge_is_ragas_rouge_and_the_best_reference_counts() -> None:
    from ragas.metrics.collections import RougeScore

    ours = text_scores(SAMPLES)["rouge_l"]
    rouge = RougeScore(rouge_type="rougeL")
    for sample, score in zip(SAMPLES, ours, strict=True):
        theirs = [asyncio.run(rouge.ascore(reference=text, response=sample.response)).value for text in sample.references]
        assert score == pytest.approx(max(theirs))
    assert ours[1] > 0
    assert ours[2] == 0


def test_string_presence_is_by_whole_words() -> None:
    samples = [
        Sample("q", "It weighs 145 kg.", ["45 kg."]),
        Sample("q", "About 45 kg, dry.", ["45 kg."]),
        Sample("q", "the VALVE", ["a valve"]),
    ]
    assert text_scores(samples)["string_presence"] == [0, 1, 1]


def test_context_metrics_equal_ragas_own_when_the_evidence_is_the_whole_passage() -> None:
    from ragas.dataset_schema import SingleTurnSample
    from ragas.metrics import NonLLMContextPrecisionWithReference, NonLLMContextRecall

    red, blue, green = "the red valve opens at nine bar", "blue seals last for two long years", "green oil must never be mixed"
    cases = [([red, blue, green], [blue]), ([blue, red], [red, blue]), ([red], [green]), ([green, red, blue], [blue, green])]
    ours = context_scores([Sample("q", "a", ["a"], contexts, evidence) for contexts, evidence in cases])
    for number, (contexts, evidence) in enumerate(cases):
        row = SingleTurnSample(retrieved_contexts=contexts, reference_contexts=evidence)
        precision = asyncio.run(NonLLMContextPrecisionWithReference().single_turn_ascore(row))
        assert ours["context_precision"][number] == pytest.approx(precision)
        assert ours["context_recall"][number] == pytest.approx(asyncio.run(NonLLMContextRecall().single_turn_ascore(row)))


def test_a_short_quote_in_a_long_passage_counts() -> None:
    passage = "Lorem ipsum dolor sit amet. " * 20 + "Tighten to 2.5 Nm. " + "Sed do eiusmod. " * 20
    scores = context_scores([Sample("q", "a", ["a"], ["nothing here", passage], ["Tighten to 2.5 Nm"])])
    assert scores["context_precision"] == pytest.approx([0.5])
    assert scores["context_recall"] == [1]


def test_no_passages_are_nan() -> None:
    scores = context_scores([Sample("q", "a", ["a"], [], ["quote"])])
    assert all(math.isnan(values[0]) for values in scores.values())


def test_semantic_similarity_is_ragas_formula() -> None:
    from ragas.embeddings.base import BaseRagasEmbedding
    from ragas.metrics.collections import SemanticSimilarity

    class Ours(BaseRagasEmbedding):
        def embed_text(self, text: str, **kwargs: Any) -> list[float]:
            return embed([text])[0].tolist()

        async def aembed_text(self, text: str, **kwargs: Any) -> list[float]:
            return self.embed_text(text)

    theirs = SemanticSimilarity(embeddings=Ours())
    for sample, score in zip(SAMPLES, semantic_similarity(SAMPLES, embed), strict=True):
        values = [
            asyncio.run(theirs.ascore(reference=text, response=sample.response or " ")).value for text in sample.references
        ]
        assert score == pytest.approx(max(values), abs=1e-6)


def test_it_works_inside_a_running_event_loop() -> None:
    async def inside() -> dict[str, list[float]]:
        return text_scores(SAMPLES[:1])

    assert asyncio.run(inside()) == text_scores(SAMPLES[:1])


def test_nothing_phones_home() -> None:
    """A process whose every outgoing connection is noted scores enough to make RAGAS want to report."""
    program = """
import socket, threading, time
tried = []
connect = socket.socket.connect
socket.socket.connect = lambda self, address: (tried.append(address), connect(self, address))[1]
names = socket.getaddrinfo
socket.getaddrinfo = lambda *a, **k: (tried.append(a[:2]), names(*a, **k))[1]
from doyen.eval.ragas_metrics import Sample, context_scores, text_scores
text_scores([Sample("q", "a b", ["a"])] * 60)
context_scores([Sample("q", "a", ["a"], ["x y z"], ["x y"])] * 60)
from ragas._analytics import _analytics_batcher, do_not_track
_analytics_batcher.flush()
assert do_not_track()
# A socket pair within the process is how an event loop wakes itself on some systems.
print([a for a in tried if not (isinstance(a, tuple) and a[0] in ("127.0.0.1", "localhost"))])
"""
    clean = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=clean, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
